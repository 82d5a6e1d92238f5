"""Class maps read block by block, and the probabilities that they were made from.

A class map is one band of whole numbers, the ids of its classes. One first look tells which ids it holds and what they
are called; ids that its legend does not know get names of their own.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.geo.alignment import check_same_grid
from overland.geo.crs import Floats
from overland.geo.grid import Grid, Window, iter_row_windows, iter_windows
from overland.geo.measures import pixel_areas_m2
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import Advance, track
from overland.raster.read import Scene, Valid, open_scene

__all__ = [
    "ClassMap",
    "ClassTotals",
    "Counts",
    "Ids",
    "MaskSurvey",
    "ProbabilityMap",
    "class_totals",
    "counts_by_row",
    "iter_class_blocks",
    "open_class_map",
    "open_class_probabilities",
    "open_class_scene",
    "open_probabilities",
    "read_ids",
    "read_mask",
    "survey_mask",
]

logger = logging.getLogger(__name__)

Ids = npt.NDArray[np.uint8]
"""Class ids (height, width), 255 where there is no class."""
Counts = npt.NDArray[np.int64]
"""Numbers of pixels."""

_BLOCK, _NARROWEST = 1024, 2
# Along a row of a block the area of a pixel may change by this much.
_MOST_CHANGE = 0.002
_MEGA = 1e6


@dataclass(frozen=True)
class ClassTotals:
    """Pixels and area of each class of a map."""

    legend: Legend
    """The classes; ids that the file does not name have names of their own."""
    pixels: Counts
    """Pixels of each class (n,)."""
    areas_m2: Floats
    """Square metres of each class (n,); square units of the map, or pixels, without a CRS."""

    @property
    def weights(self) -> Floats:
        """Fraction of the mapped area that each class has."""
        return np.asarray(self.areas_m2 / self.areas_m2.sum(), dtype=np.float64)


@dataclass(frozen=True)
class MaskSurvey:
    """The contents of a class map, found by one look at it."""

    counts: Counts
    """Pixels of each id (256,); those of 255 hold no data."""
    legend: Legend
    """A name for every id, and a background only where the file names one."""
    is_named: bool
    """True when the file has names or colours at all."""
    is_zero_255: bool
    """True when 255 stands for class 1, as in a black and white mask."""


@dataclass(frozen=True)
class ClassMap:
    """An open class map."""

    scene: Scene
    """The open raster."""
    legend: Legend
    """A name for every id; without names in the file, 0 is the background of an only class."""
    present: tuple[int, ...]
    """Ids that occur."""
    is_black_and_white: bool
    """True when 255 stands for class 1."""

    @property
    def grid(self) -> Grid:
        """Grid of the file."""
        return self.scene.grid

    @property
    def crs(self) -> str | None:
        """CRS of the map coordinates, None when they are pixels or units of their own."""
        return self.grid.map_crs

    def read(self, window: Window) -> tuple[Ids, Valid]:
        """Read class ids.

        Args:
            window: The pixels to read.

        Returns:
            Ids, and where there are any, both (height, width).
        """
        if self.is_black_and_white:
            pixels, valid = self.scene.read(window)
            return (pixels[0] > 0).astype(np.uint8), valid
        ids = read_ids(self.scene, window)
        return ids, ids != IGNORE_INDEX


@dataclass(frozen=True)
class ProbabilityMap:
    """An open raster of probabilities and the band that is read of it."""

    scene: Scene
    """The open raster."""
    band: int
    """Band, counted from 1."""
    is_of_other: bool = False
    """True when the band holds the other class of two, so that 1 - p is read."""

    def read(self, window: Window) -> npt.NDArray[np.floating]:
        """Read probabilities.

        Args:
            window: The pixels to read.

        Returns:
            Probabilities (height, width), NaN where there are no data.

        Raises:
            DataError: For numbers that are no probabilities.
        """
        pixels, valid = self.scene.read(window, bands=[self.band])
        found = np.where(valid, pixels[0], np.nan)
        if valid.any() and not -0.001 <= np.nanmin(found) <= np.nanmax(found) <= 1.001:
            raise DataError(
                f"{self.scene.path}, band {self.band}, holds {np.nanmin(found):.4g} to {np.nanmax(found):.4g}; "
                "probabilities are from 0 to 1. Write them with overland predict --probabilities."
            )
        return 1 - found if self.is_of_other else found


@contextmanager
def open_class_scene(path: str | Path) -> Iterator[Scene]:
    """Open a raster of class ids.

    Args:
        path: The raster.

    Yields:
        The open scene.

    Raises:
        DataError: When it is not one band of whole numbers.
    """
    with open_scene(path) as scene:
        if len(scene.data_bands) != 1 or np.dtype(scene.dtype).kind not in "iub":
            raise DataError(
                f"{path} has {len(scene.data_bands)} bands of {scene.dtype}; a class map is one band of whole numbers. "
                "Probabilities and colours are no class ids: predict a mask without --probabilities, or map its "
                "colours to ids."
            )
        yield scene


def read_ids(scene: Scene, window: Window) -> Ids:
    """Read class ids.

    A mask that is white on declared nodata, 255 on 0, has one class: 255 is read as class 1.

    Args:
        scene: A scene of `open_class_scene`.
        window: The pixels to read.

    Returns:
        Ids (height, width), 255 where there is no class.

    Raises:
        DataError: For values that are no ids.
    """
    pixels, valid = scene.read(window)
    values = pixels[0][valid]
    if values.size and not 0 <= values.min() <= values.max() <= IGNORE_INDEX:
        raise DataError(
            f"{scene.path} holds values from {values.min()} to {values.max()}; in a class map they are 0 to "
            f"{IGNORE_INDEX - 1}. Map them first, or declare the odd one as nodata."
        )
    ids = np.full(valid.shape, IGNORE_INDEX, np.uint8)
    ids[valid] = (values > 0) if _is_white_on_nodata(scene) else values
    return ids


def read_mask(scene: Scene, survey: MaskSurvey, window: Window) -> Ids:
    """Read class ids of a map that was surveyed.

    Args:
        scene: A scene of `open_class_scene`.
        survey: Its contents.
        window: The pixels to read.

    Returns:
        Ids (height, width), 255 where there is no data.
    """
    ids = read_ids(scene, window)
    return (ids > 0).astype(np.uint8) if survey.is_zero_255 else ids


def survey_mask(scene: Scene, blocks: Sequence[tuple[int, int]], advance: Advance) -> MaskSurvey:
    """Read a class map once and find its contents.

    A map of 0 and 255 that declares no nodata value has one class on its background: 255 is read as class 1.

    Args:
        scene: A scene of `open_class_scene`.
        blocks: First row and end of the row blocks in which it is read.
        advance: Is told the megapixels that are done.

    Returns:
        The contents.

    Raises:
        DataError: For values that are no ids.
    """
    counts = np.zeros(IGNORE_INDEX + 1, np.int64)
    for top, end in blocks:
        window = Window(col_off=0, row_off=top, width=scene.width, height=end - top)
        counts += np.bincount(read_ids(scene, window).ravel(), minlength=len(counts))
        advance((end - top) * scene.width / _MEGA)
    is_zero_255 = _is_zero_255(scene, counts)
    if is_zero_255:
        counts[[1, IGNORE_INDEX]] = counts[IGNORE_INDEX], 0
    is_named = scene.legend is not None or scene.palette is not None
    legend = _complete_legend(scene, np.flatnonzero(counts[:IGNORE_INDEX]), with_colors=True)
    return MaskSurvey(counts, legend, is_named, is_zero_255)


@contextmanager
def open_class_map(path: str | Path) -> Iterator[ClassMap]:
    """Open a class map, and go through it once to see which ids it holds.

    Args:
        path: The raster.

    Yields:
        The open map.

    Raises:
        DataError: When it is no class map, and when ground control points alone tie it to the ground.
    """
    with open_class_scene(path) as scene:
        if scene.grid.gcps and not scene.grid.has_coordinates:
            raise DataError(f"{path} has ground control points alone; warp it first (rio warp, gdalwarp).")
        counts = np.zeros(IGNORE_INDEX + 1, np.int64)
        for window in iter_row_windows(scene.height, scene.width):
            counts += np.bincount(read_ids(scene, window).ravel(), minlength=len(counts))
        is_black_and_white = _is_zero_255(scene, counts)
        present = np.array([0, 1]) if is_black_and_white else np.flatnonzero(counts[:IGNORE_INDEX])
        legend = _complete_legend(scene, present, guess_background=True)
        yield ClassMap(scene, legend, tuple(present.tolist()), is_black_and_white)


def iter_class_blocks(scene: Scene, description: str) -> Iterator[tuple[Window, Ids, Floats]]:
    """Go through a class map in blocks.

    Args:
        scene: A scene of `open_class_scene`.
        description: The work, for the progress bar.

    Yields:
        The window of a block, its ids, and the area of a pixel of each of its rows in square metres.

    Raises:
        DataError: For a class where the CRS has no place on the ground.
    """
    size = _block_size(scene.grid)
    with track(description, scene.height * scene.width / _MEGA, "Mpx") as advance:
        for window in iter_windows(scene.height, scene.width, size):
            ids, areas = read_ids(scene, window), pixel_areas_m2(scene.grid, window)
            is_off = ~np.isfinite(areas)
            if is_off.any() and (ids[is_off] != IGNORE_INDEX).any():
                raise DataError(
                    f"{scene.path} has classes in row {window.row_off + int(np.argmax(is_off))}, which has no place on "
                    f"the ground in {scene.grid.crs}. Is its CRS right?"
                )
            yield window, ids, np.where(is_off, 0.0, areas)
            advance(window.height * window.width / _MEGA)


def class_totals(scene: Scene) -> ClassTotals:
    """Count and measure the classes of a map.

    Args:
        scene: A scene of `open_class_scene`.

    Returns:
        Pixels and areas by class.

    Raises:
        DataError: When no pixel has a class, and for a mask of 0 and 255 in which 255 may mean either.
    """
    pixels, areas = np.zeros(IGNORE_INDEX + 1, np.int64), np.zeros(IGNORE_INDEX + 1)
    for _, ids, row_areas in iter_class_blocks(scene, "Measuring"):
        counts = counts_by_row(ids)
        pixels += counts.sum(axis=0)
        areas += row_areas @ counts
    if scene.nodata is None and np.flatnonzero(pixels).tolist() == [0, IGNORE_INDEX]:
        raise DataError(
            f"{scene.path} holds 0 and 255 only, and 255 may mean class 1 or no class. Save it as 0 and 1, or declare "
            "255 as the raster's nodata value."
        )
    present = np.flatnonzero(pixels[:IGNORE_INDEX])
    if not len(present):
        raise DataError(f"{scene.path} holds no pixel with a class; is it the right file?")
    legend = _complete_legend(scene, present, guess_background=True)
    return ClassTotals(legend, pixels[: legend.num_classes], areas[: legend.num_classes])


def counts_by_row(ids: Ids) -> Counts:
    """Count the ids of each row.

    Args:
        ids: Class ids (height, width).

    Returns:
        How often each of the 256 values occurs in each row (height, 256).
    """
    height = len(ids)
    place = ids + np.arange(height, dtype=np.int64)[:, None] * (IGNORE_INDEX + 1)
    return np.bincount(place.ravel(), minlength=height * (IGNORE_INDEX + 1)).reshape(height, -1)


@contextmanager
def open_probabilities(path: str | Path, class_map: ClassMap, name: str) -> Iterator[ProbabilityMap]:
    """Open the probabilities of a class: the band that bears its name, or the only band.

    Args:
        path: The raster of probabilities.
        class_map: The map that was made from them.
        name: The class.

    Yields:
        The open band.

    Raises:
        DataError: When there is no such band, or the raster does not lie on the map.
    """
    with open_scene(path) as scene:
        _check_place(scene, class_map)
        bands = scene.data_bands
        named = [band for band in bands if scene.descriptions[band - 1] == name]
        if np.dtype(scene.dtype).kind != "f" or (len(bands) > 1 and not named):
            found = ", ".join(str(scene.descriptions[band - 1]) for band in bands)
            raise DataError(
                f"{path} has {scene.dtype} bands ({found}), none of them the probabilities of {name}. Write them with "
                "overland predict --probabilities, or name the class with --class."
            )
        yield ProbabilityMap(scene, (named or bands)[0])


@contextmanager
def open_class_probabilities(
    path: str | Path, class_map: ClassMap, classes: Sequence[int]
) -> Iterator[dict[int, ProbabilityMap]]:
    """Open the probabilities of several classes: the bands that bear their names, or one a class without names.

    The only band of a mask of two classes is the probability of class 1, so class 0 has 1 - p.

    Args:
        path: The raster of probabilities.
        class_map: The map that was made from them.
        classes: Ids of the classes.

    Yields:
        The open bands by class id.

    Raises:
        DataError: When there are no such bands, or the raster does not lie on the map.
    """
    with open_scene(path) as scene:
        _check_place(scene, class_map)
        bands, names = scene.data_bands, class_map.legend.names
        found = [scene.descriptions[band - 1] for band in bands]
        is_in_order = len(found) == len(names) and (class_map.scene.legend is None or not any(found))
        order = names if is_in_order else found
        is_float = np.dtype(scene.dtype).kind == "f"
        if is_float and len(found) == 1 and len(names) <= 2:
            held = 0 if found[0] == names[0] else 1
            yield {index: ProbabilityMap(scene, bands[0], is_of_other=index != held) for index in classes}
            return
        if not is_float or not {names[index] for index in classes} <= set(order):
            raise DataError(
                f"{scene.path} has {scene.dtype} bands ({', '.join(map(str, found))}); probabilities of "
                f"{', '.join(names)} were looked for. Write them with overland predict --probabilities, or choose "
                "classes with --class."
            )
        yield {index: ProbabilityMap(scene, bands[order.index(names[index])]) for index in classes}


def _check_place(scene: Scene, class_map: ClassMap) -> None:
    check_same_grid(
        class_map.grid,
        scene.grid,
        (class_map.scene.path, scene.path),
        advice="Give the probabilities that were predicted along with the mask.",
    )


def _is_zero_255(scene: Scene, counts: Counts) -> bool:
    is_zero_255 = scene.nodata is None and np.flatnonzero(counts).tolist() == [0, IGNORE_INDEX]
    if is_zero_255:
        logger.info("%s holds only 0 and 255: 255 is read as class 1.", scene.path)
    return is_zero_255


def _is_white_on_nodata(scene: Scene) -> bool:
    """Tell whether 255 is the only value that is not nodata, or 0; a look that ends with the first other value."""
    if scene.nodata in (None, float(IGNORE_INDEX)) or scene.dtype != "uint8":
        return False
    if scene.is_white_on_nodata is None:
        found = False
        for window in iter_row_windows(scene.height, scene.width):
            pixels, valid = scene.read(window)
            values = pixels[0][valid]
            found |= bool((values == IGNORE_INDEX).any())
            if ((values != IGNORE_INDEX) & (values != 0)).any():
                found = False
                break
        scene.is_white_on_nodata = found
        if found:
            logger.info("%s holds only 0 and 255: 255 is read as class 1.", scene.path)
    return scene.is_white_on_nodata


def _complete_legend(
    scene: Scene, present: npt.NDArray[np.integer], *, guess_background: bool = False, with_colors: bool = False
) -> Legend:
    """Give the legend of the file, with names for ids that it does not know."""
    names = list(scene.legend.names) if scene.legend is not None else []
    highest = int(present.max(initial=0))
    if guess_background and not names and set(present.tolist()) <= {0, max(highest, 1)}:
        logger.info("%s has no class names; 0 is taken for the background of its only class.", scene.path)
        names = ["background"]
    names += [f"class {index}" for index in range(len(names), highest + 1)]
    palette = scene.palette if with_colors else None
    colors = None if palette is None else [palette.get(index, (0, 0, 0)) for index in range(len(names))]
    return legend_from_names(names, colors)


def _block_size(grid: Grid) -> int:
    """Choose blocks so narrow that the area of a pixel hardly changes along a row, as it does near a pole."""
    if grid.map_crs is None:
        return _BLOCK
    corners = [
        Window(col_off=col, row_off=row, width=1, height=1)
        for row in (0, grid.height // 2, grid.height - 1)
        for col in np.linspace(0, grid.width - 1, 9).astype(int).tolist()
    ]
    areas = np.array([pixel_areas_m2(grid, corner)[0] for corner in corners]).reshape(3, 9)
    known = np.where(np.isfinite(areas) & (areas > 0), areas, np.nanmax(areas, initial=1e-300))
    change = float(np.abs(np.diff(np.log(known), axis=1)).max()) / max(grid.width / 8, 1)
    # As a power of two, so that blocks go well with those of the file.
    size = _MOST_CHANGE / max(change, _MOST_CHANGE / _BLOCK)
    return max(_NARROWEST, 1 << int(math.log2(size))) if size >= 1 else _NARROWEST

"""What `vectorize` reads: a class map and maybe the scores that it was made from, window by window."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.geo.grid import iter_row_windows, iter_windows
from overland.geo.measures import pixel_areas_m2
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import Advance, track
from overland.raster import Grid, Scene, Window, open_scene

__all__ = [
    "ClassMap",
    "ClassTotals",
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


# A class map read block by block: its ids, its legend, and how many pixels and how much ground each class has.

_BLOCK = 1024
_MEGA = 1e6

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClassTotals:
    """Pixels and square metres of each class of the legend; without a CRS an area is a number of pixels."""

    legend: Legend
    pixels: npt.NDArray[np.int64]
    areas_m2: Floats

    @property
    def weights(self) -> Floats:
        """Share of the mapped area that each class has."""
        return np.asarray(self.areas_m2 / self.areas_m2.sum(), dtype=np.float64)


@contextmanager
def open_class_scene(path: str | Path) -> Iterator[Scene]:
    """Open a raster of class ids. Raises `DataError` when it is not one band of whole numbers."""
    with open_scene(path) as scene:
        if len(scene.data_bands) != 1 or np.dtype(scene.dtype).kind not in "iub":
            raise DataError(
                f"{path} has {len(scene.data_bands)} bands of {scene.dtype}; a class map is one band of whole numbers. "
                "Scores and colours are no class ids: predict a mask without --scores, or map its colours to ids."
            )
        yield scene


def read_ids(scene: Scene, window: Window) -> Ids:
    """Class ids (height, width) of a window, 255 where there is no class. Raises `DataError` for what is no id."""
    pixels, valid = scene.read(window)
    values = pixels[0][valid]
    if values.size and not 0 <= values.min() <= values.max() <= IGNORE_INDEX:
        raise DataError(
            f"{scene.path} holds values from {values.min()} to {values.max()}; in a class map they are 0 to "
            f"{IGNORE_INDEX - 1}. Map them first, or declare the odd one as nodata."
        )
    return np.where(valid, pixels[0], IGNORE_INDEX).astype(np.uint8)


def iter_class_blocks(scene: Scene, description: str) -> Iterator[tuple[Window, Ids, Floats]]:
    """Blocks that cover a class map: the window, its ids, and the area of a pixel of each of its rows."""
    with track(description, scene.height * scene.width / _MEGA, "Mpx") as advance:
        for window in iter_windows(scene.height, scene.width, _BLOCK):
            yield window, read_ids(scene, window), pixel_areas_m2(scene.grid, window)
            advance(window.height * window.width / _MEGA)


def class_totals(scene: Scene) -> ClassTotals:
    """Count and measure the classes of a map; ids that its legend does not know get a name.

    Raises `DataError` when no pixel has a class, and for a mask of 0 and 255 in which 255 may mean either.
    """
    pixels, areas = np.zeros(IGNORE_INDEX + 1, np.int64), np.zeros(IGNORE_INDEX + 1)
    for _, ids, row_areas in iter_class_blocks(scene, "Measuring"):
        counts = counts_by_row(ids)
        pixels += counts.sum(axis=0)
        areas += row_areas @ counts
    _check_counts(scene, pixels)
    legend = _complete_legend(scene.legend, np.flatnonzero(pixels[:IGNORE_INDEX]))
    return ClassTotals(legend, pixels[: legend.num_classes], areas[: legend.num_classes])


def counts_by_row(ids: Ids) -> npt.NDArray[np.int64]:
    """How often each of the 256 values occurs in each row: an array (height, 256)."""
    height = len(ids)
    place = ids + np.arange(height, dtype=np.int64)[:, None] * (IGNORE_INDEX + 1)
    return np.bincount(place.ravel(), minlength=height * (IGNORE_INDEX + 1)).reshape(height, -1)


def _check_counts(scene: Scene, pixels: npt.NDArray[Any]) -> None:
    present = np.flatnonzero(pixels).tolist()
    if present == [0, IGNORE_INDEX] and scene.nodata is None:
        raise DataError(
            f"{scene.path} holds 0 and 255 only, and 255 may mean class 1 or no class. Save it as 0 and 1, or declare "
            "255 as the raster's nodata value."
        )
    if not pixels[:IGNORE_INDEX].any():
        raise DataError(f"{scene.path} holds no pixel with a class; is it the right file?")


def _complete_legend(legend: Legend | None, present: npt.NDArray[Any]) -> Legend:
    names = list(legend.names) if legend is not None else []
    if not names and len(present) <= 2 and present[0] == 0:
        names = ["background"]
    missing = range(len(names), int(present[-1]) + 1)
    return legend_from_names([*names, *(f"class {index}" for index in missing)])


# A first look at a class map that streams by: which ids it holds and what they are called.

logger = logging.getLogger("overland")


@dataclass(frozen=True)
class MaskSurvey:
    """What a class map holds.

    `counts` (256,) are the pixels of each id, 255 those without data. `legend` has a name for every id, and a
    background only where the file names one; `is_named` says whether the file has names or colours at all. Where
    `is_zero_255`, 255 stands for class 1.
    """

    counts: npt.NDArray[np.int64]
    legend: Legend
    is_named: bool
    is_zero_255: bool


def survey_mask(scene: Scene, bands: Sequence[tuple[int, int]], advance: Advance) -> MaskSurvey:
    """Read a class map once, in bands of rows (top, end), and say what is in it.

    A map of 0 and 255 that declares no nodata value has one class and what is not it: 255 is read as class 1.
    Raises `DataError` for values that are no ids.
    """
    counts = np.zeros(256, np.int64)
    for top, end in bands:
        counts += np.bincount(
            read_ids(scene, Window(col_off=0, row_off=top, width=scene.width, height=end - top)).ravel(), minlength=256
        )
        advance((end - top) * scene.width / _MEGA)
    is_zero_255 = scene.nodata is None and np.flatnonzero(counts).tolist() == [0, IGNORE_INDEX]
    if is_zero_255:
        logger.info("%s holds only 0 and 255: 255 is read as class 1.", scene.path)
        counts[[1, IGNORE_INDEX]] = counts[IGNORE_INDEX], 0
    is_named = scene.legend is not None or scene.palette is not None
    return MaskSurvey(counts, _complete_legend_mask_survey(scene, counts), is_named, is_zero_255)


def read_mask(scene: Scene, survey: MaskSurvey, window: Window) -> npt.NDArray[np.uint8]:
    """Read a window as class ids, uint8 (height, width) with 255 where there is no data."""
    ids = read_ids(scene, window)
    return (ids > 0).astype(np.uint8) if survey.is_zero_255 else ids


def _complete_legend_mask_survey(scene: Scene, counts: npt.NDArray[np.int64]) -> Legend:
    """The legend of the file, with names and colours for ids that it does not know."""
    names = list(scene.legend.names) if scene.legend is not None else []
    present = np.flatnonzero(counts[:IGNORE_INDEX])
    names += [f"class {index}" for index in range(len(names), int(present.max(initial=0)) + 1)]
    palette = scene.palette
    colors = None if palette is None else [palette.get(index, (0, 0, 0)) for index in range(len(names))]
    return legend_from_names(names, colors)


@dataclass(frozen=True)
class ClassMap:
    """An open class map: its legend, which ids occur, and whether 255 stands for class 1 (a black and white mask)."""

    scene: Scene
    legend: Legend
    present: tuple[int, ...]
    is_black_and_white: bool

    @property
    def grid(self) -> Grid:
        """The grid of the file."""
        return self.scene.grid

    @property
    def crs(self) -> str | None:
        """The CRS, None when coordinates are pixels."""
        return self.grid.crs if self.grid.is_georeferenced else None

    def read(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Class ids of a window and where it holds any, both (height, width)."""
        pixels, valid = self.scene.read(window)
        if self.is_black_and_white:
            return (pixels[0] > 0).astype(np.uint8), valid
        return pixels[0].astype(np.uint8), valid & (pixels[0] != IGNORE_INDEX)


@dataclass(frozen=True)
class ProbabilityMap:
    """An open raster of probabilities and the band that is read of it, counted from 1.

    `is_of_other` says that the band holds the other class of two, so that 1 - p is read.
    """

    scene: Scene
    band: int
    is_of_other: bool = False

    def read(self, window: Window) -> npt.NDArray[Any]:
        """Probabilities (height, width) of a window, NaN where there are no data. Raises `DataError` for others."""
        pixels, valid = self.scene.read(window, bands=[self.band])
        scores = np.where(valid, pixels[0], np.nan)
        if valid.any() and not -0.001 <= np.nanmin(scores) <= np.nanmax(scores) <= 1.001:
            raise DataError(
                f"{self.scene.path}, band {self.band}, holds {np.nanmin(scores):.4g} to {np.nanmax(scores):.4g}; "
                "scores are probabilities from 0 to 1. Write them with overland predict --scores."
            )
        return 1 - scores if self.is_of_other else scores


@contextmanager
def open_class_map(path: str | Path) -> Iterator[ClassMap]:
    """Open a class map, and go through it once to see which ids it holds. Raises `DataError` when it is none."""
    with open_class_scene(path) as scene:
        values = _values(scene)
        is_black_and_white = scene.nodata is None and values == [0, IGNORE_INDEX]
        if is_black_and_white:
            logger.info("%s holds only 0 and 255: 255 is read as class 1.", path)
            values = [0, 1]
        values = [value for value in values if value != IGNORE_INDEX]
        if values and not 0 <= values[0] <= values[-1] < IGNORE_INDEX:
            raise DataError(
                f"{path} holds ids from {values[0]} to {values[-1]}; in a class map they are 0 to "
                f"{IGNORE_INDEX - 1}. Map them first, or declare the odd one as nodata."
            )
        yield ClassMap(
            scene, _complete_legend_vectorize_input(path, scene.legend, values), tuple(values), is_black_and_white
        )


@contextmanager
def open_probabilities(path: str | Path, class_map: ClassMap, name: str) -> Iterator[ProbabilityMap]:
    """Open the probabilities of a class: the band that bears its name, or the only band.

    Raises `DataError` when there is no such band or the raster is not of the size and place of the class map.
    """
    with open_scene(path) as scene:
        _check_place(path, scene, class_map)
        bands = scene.data_bands
        named = [band for band in bands if scene.descriptions[band - 1] == name]
        if np.dtype(scene.dtype).kind != "f" or (len(bands) > 1 and not named):
            found = ", ".join(str(scene.descriptions[band - 1]) for band in bands)
            raise DataError(
                f"{path} has {scene.dtype} bands ({found}), none of them the scores of {name}. Write them with "
                "overland predict --scores, or name the class with --class."
            )
        yield ProbabilityMap(scene, (named or bands)[0])


@contextmanager
def open_class_probabilities(
    path: str | Path, class_map: ClassMap, classes: Sequence[int]
) -> Iterator[dict[int, ProbabilityMap]]:
    """Open the probabilities of several classes, by id: the bands that bear their names, or one a class without names.

    The only band of a mask of two classes is the probability of class 1, so class 0 has 1 - p.
    Raises `DataError` as `open_probabilities` does.
    """
    with open_scene(path) as scene:
        _check_place(path, scene, class_map)
        yield _class_scores(scene, class_map, classes)


def _class_scores(scene: Scene, class_map: ClassMap, classes: Sequence[int]) -> dict[int, ProbabilityMap]:
    bands, names = scene.data_bands, class_map.legend.names
    found = [scene.descriptions[band - 1] for band in bands]
    is_in_order = len(found) == len(names) and (class_map.scene.legend is None or not any(found))
    order = names if is_in_order else found
    is_float = np.dtype(scene.dtype).kind == "f"
    if is_float and len(found) == 1 and len(names) <= 2:
        held = 0 if found[0] == names[0] else 1
        return {index: ProbabilityMap(scene, bands[0], is_of_other=index != held) for index in classes}
    if not is_float or not {names[index] for index in classes} <= set(order):
        raise DataError(
            f"{scene.path} has {scene.dtype} bands ({', '.join(map(str, found))}); scores of {', '.join(names)} were "
            "looked for. Write them with overland predict --scores, or choose classes with --class."
        )
    return {index: ProbabilityMap(scene, bands[order.index(names[index])]) for index in classes}


def _check_place(path: str | Path, scene: Scene, class_map: ClassMap) -> None:
    if (scene.height, scene.width) != (class_map.grid.height, class_map.grid.width):
        raise DataError(
            f"{path} has {scene.height} x {scene.width} pixels, the mask {class_map.grid.height} x "
            f"{class_map.grid.width}. Give the scores that were predicted along with it."
        )
    if class_map.crs is not None and not class_map.grid.transform.almost_equals(scene.grid.transform):
        raise DataError(f"{path} lies elsewhere than the mask. Give the scores that were predicted along with it.")


def _values(scene: Scene) -> list[int]:
    found: set[int] = set()
    for band in iter_row_windows(scene.height, scene.width):
        pixels, valid = scene.read(band)
        found.update(np.unique(pixels[0][valid]).tolist())
    return sorted(found)


def _complete_legend_vectorize_input(path: str | Path, legend: Legend | None, values: list[int]) -> Legend:
    """The legend of the file, with names for ids that it does not know."""
    names = list(legend.names) if legend is not None else []
    highest = max(values, default=0)
    if not names and set(values) <= {0, max(highest, 1)}:
        logger.info("%s has no class names; 0 is taken for the background of its only class.", path)
        names = ["background"]
    names += [f"class {index}" for index in range(len(names), highest + 1)]
    return legend_from_names(names)

"""A class map read block by block: its ids, its legend, and how many pixels and how much ground each class has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import track
from overland.raster import Scene, Window, open_scene
from overland.raster.grid import iter_windows
from overland.vector.pixel_areas import pixel_areas_m2

__all__ = ["ClassTotals", "class_totals", "counts_by_row", "iter_class_blocks", "open_class_scene", "read_ids"]

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

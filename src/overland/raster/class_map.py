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
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.raster import Grid, Scene, Window, open_scene
from overland.vector import plan_bands
from overland.workflows.class_map import open_class_scene

__all__ = ["ClassMap", "ScoreMap", "open_class_map", "open_class_scores", "open_scores"]

logger = logging.getLogger("overland")


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
class ScoreMap:
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
        yield ClassMap(scene, _complete_legend(path, scene.legend, values), tuple(values), is_black_and_white)


@contextmanager
def open_scores(path: str | Path, class_map: ClassMap, name: str) -> Iterator[ScoreMap]:
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
        yield ScoreMap(scene, (named or bands)[0])


@contextmanager
def open_class_scores(path: str | Path, class_map: ClassMap, classes: Sequence[int]) -> Iterator[dict[int, ScoreMap]]:
    """Open the probabilities of several classes, by id: the bands that bear their names, or one a class without names.

    The only band of a mask of two classes is the probability of class 1, so class 0 has 1 - p.
    Raises `DataError` as `open_scores` does.
    """
    with open_scene(path) as scene:
        _check_place(path, scene, class_map)
        yield _class_scores(scene, class_map, classes)


def _class_scores(scene: Scene, class_map: ClassMap, classes: Sequence[int]) -> dict[int, ScoreMap]:
    bands, names = scene.data_bands, class_map.legend.names
    found = [scene.descriptions[band - 1] for band in bands]
    is_in_order = len(found) == len(names) and (class_map.scene.legend is None or not any(found))
    order = names if is_in_order else found
    is_float = np.dtype(scene.dtype).kind == "f"
    if is_float and len(found) == 1 and len(names) <= 2:
        held = 0 if found[0] == names[0] else 1
        return {index: ScoreMap(scene, bands[0], is_of_other=index != held) for index in classes}
    if not is_float or not {names[index] for index in classes} <= set(order):
        raise DataError(
            f"{scene.path} has {scene.dtype} bands ({', '.join(map(str, found))}); scores of {', '.join(names)} were "
            "looked for. Write them with overland predict --scores, or choose classes with --class."
        )
    return {index: ScoreMap(scene, bands[order.index(names[index])]) for index in classes}


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
    for band in plan_bands(scene.height, scene.width):
        pixels, valid = scene.read(band)
        found.update(np.unique(pixels[0][valid]).tolist())
    return sorted(found)


def _complete_legend(path: str | Path, legend: Legend | None, values: list[int]) -> Legend:
    """The legend of the file, with names for ids that it does not know."""
    names = list(legend.names) if legend is not None else []
    highest = max(values, default=0)
    if not names and set(values) <= {0, max(highest, 1)}:
        logger.info("%s has no class names; 0 is taken for the background of its only class.", path)
        names = ["background"]
    names += [f"class {index}" for index in range(len(names), highest + 1)]
    return legend_from_names(names)

"""A first look at a class map that streams by: which ids it holds and what they are called."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import Advance
from overland.raster import Scene, Window
from overland.workflows.class_map import read_ids

__all__ = ["MaskSurvey", "read_mask", "survey_mask"]

logger = logging.getLogger("overland")

_MEGA = 1e6


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
        counts += np.bincount(read_ids(scene, Window(top, 0, end - top, scene.width)).ravel(), minlength=256)
        advance((end - top) * scene.width / _MEGA)
    is_zero_255 = scene.nodata is None and np.flatnonzero(counts).tolist() == [0, IGNORE_INDEX]
    if is_zero_255:
        logger.info("%s holds only 0 and 255: 255 is read as class 1.", scene.path)
        counts[[1, IGNORE_INDEX]] = counts[IGNORE_INDEX], 0
    is_named = scene.legend is not None or scene.palette is not None
    return MaskSurvey(counts, _complete_legend(scene, counts), is_named, is_zero_255)


def read_mask(scene: Scene, survey: MaskSurvey, window: Window) -> npt.NDArray[np.uint8]:
    """Read a window as class ids, uint8 (height, width) with 255 where there is no data."""
    ids = read_ids(scene, window)
    return (ids > 0).astype(np.uint8) if survey.is_zero_255 else ids


def _complete_legend(scene: Scene, counts: npt.NDArray[np.int64]) -> Legend:
    """The legend of the file, with names and colours for ids that it does not know."""
    names = list(scene.legend.names) if scene.legend is not None else []
    present = np.flatnonzero(counts[:IGNORE_INDEX])
    names += [f"class {index}" for index in range(len(names), int(present.max(initial=0)) + 1)]
    palette = scene.palette
    colors = None if palette is None else [palette.get(index, (0, 0, 0)) for index in range(len(names))]
    return legend_from_names(names, colors)

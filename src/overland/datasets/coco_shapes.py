"""COCO segmentations to pixels: polygons, run lengths, and run lengths packed into a string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon

from overland.errors import DataError

__all__ = ["mask_from_segmentation"]

Mask = npt.NDArray[np.bool_]


def mask_from_segmentation(segmentation: Any, height: int, width: int) -> Mask:
    """The pixels (height, width) of a COCO segmentation.

    A list holds polygons [x, y, x, y, ...] in pixels, with the corner of the image at 0, 0: a pixel belongs to them
    when its centre does. {"size": [h, w], "counts": ...} holds run lengths, column by column, the first of zeros; as
    a list, or as the string of pycocotools. Raises `DataError` for anything else.
    Source: the data format of cocodataset.org and maskApi.c.
    """
    if isinstance(segmentation, list):
        return _from_polygons(segmentation, height, width)
    if isinstance(segmentation, dict) and {"size", "counts"} <= set(segmentation):
        counts = segmentation["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else counts
        return _from_runs(runs, segmentation["size"], height, width)
    raise DataError(f"a segmentation is a list of polygons or has size and counts; got {str(segmentation)[:60]!r}")


def _from_polygons(polygons: list[Any], height: int, width: int) -> Mask:
    mask = np.zeros((height, width), bool)
    for points in polygons:
        try:
            xy = np.asarray(points, np.float64).reshape(-1, 2)
        except (ValueError, TypeError):
            raise DataError(f"a polygon is a list x, y, x, y, ...; got {str(points)[:60]}") from None
        if not np.isfinite(xy).all():
            raise DataError("a polygon has a coordinate that is no number")
        # skimage puts the centre of the first pixel at 0, 0.
        mask[polygon(xy[:, 1] - 0.5, xy[:, 0] - 0.5, (height, width))] = True
    return mask


def _from_runs(runs: Sequence[int], size: Sequence[int], height: int, width: int) -> Mask:
    if list(size) != [height, width] or sum(runs) != height * width or min(runs, default=0) < 0:
        raise DataError(f"run lengths of {sum(runs)} pixels and size {size} for an image of {height} x {width}")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Numbers of five bits a character, the sixth bit says that more follow; from the fourth on differences."""
    runs: list[int] = []
    value = shift = 0
    for character in text.encode("ascii", errors="replace"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (1 << shift) if bits & 16 else 0
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs

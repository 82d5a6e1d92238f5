"""Median and majority of class ids: what most of a pixel's neighbourhood is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from overland.legend import IGNORE_INDEX
from overland.postprocess.sliding import over_square

__all__ = ["Mask", "classes_in", "majority_mask", "median_mask"]

Mask = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.unsignedinteger]


def classes_in(mask: Mask) -> list[int]:
    """The ids that occur in a mask, without 255."""
    counts = np.bincount(mask.ravel(), minlength=256)
    return [int(index) for index in np.flatnonzero(counts[:IGNORE_INDEX])]


def median_mask(mask: Mask, size: int) -> Mask:
    """Give each pixel the class that fills more than half of the `size` x `size` window around it, if one does.

    That is the median of each class against all others, so for two classes the median filter itself; the median of
    the ids would mean nothing. Only pixels that hold data count.
    """
    padded = np.pad(mask, size // 2, constant_values=IGNORE_INDEX)
    labelled = _counts(padded != IGNORE_INDEX, size)
    result = mask.copy()
    for index in classes_in(mask):
        count = _counts(padded == index, size)
        np.copyto(result, np.uint8(index), where=count > labelled - count)
    return _with_nodata_of(mask, result)


def majority_mask(mask: Mask, size: int) -> Mask:
    """Give each pixel the class that is most frequent in the `size` x `size` window around it (mode filter).

    Where two classes are equally frequent the pixel stays what it is. Only pixels that hold data count.
    """
    padded = np.pad(mask, size // 2, constant_values=IGNORE_INDEX)
    best = np.zeros(mask.shape, _count_dtype(size))
    is_tie = np.zeros(mask.shape, bool)
    result = mask.copy()
    for index in classes_in(mask):
        count = _counts(padded == index, size)
        is_more = count > best
        is_tie = (is_tie & ~is_more) | (count == best)
        np.copyto(result, np.uint8(index), where=is_more)
        np.maximum(best, count, out=best)
    np.copyto(result, mask, where=is_tie)
    return _with_nodata_of(mask, result)


def _counts(indicator: npt.NDArray[np.bool_], size: int) -> Counts:
    counts: Counts = over_square(np.add, indicator.astype(_count_dtype(size)), size)
    return counts


def _count_dtype(size: int) -> type[np.unsignedinteger]:
    # Bytes are added several times as fast, and hold the counts of windows up to 15 x 15.
    return np.uint8 if size**2 <= 255 else np.uint32


def _with_nodata_of(mask: Mask, result: Mask) -> Mask:
    np.copyto(result, np.uint8(IGNORE_INDEX), where=mask == IGNORE_INDEX)
    return result

"""Neighbourhoods of class ids: median and majority, opening and closing of every class at once.

A neighbourhood is combined with an associative function over runs, squares and disks in log2(size) steps a row. Opening
and closing keep each class as one bit of a byte, so that eight classes go in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.legend import IGNORE_INDEX

__all__ = [
    "Mask",
    "classes_in",
    "close_mask",
    "majority_mask",
    "median_mask",
    "open_mask",
    "over_disk",
    "over_run",
    "over_square",
]

Mask = npt.NDArray[np.uint8]
"""Class ids (height, width), 255 where there is no data."""
Bits = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.unsignedinteger]
Values = npt.NDArray[Any]
"""Values (height, width) of any type that the function takes."""

_ALL = 0xFF
_CLASSES_A_BYTE = 8
_BITS_SET = np.array([value.bit_count() for value in range(256)], np.uint8)
# Above, left, right, below, then the corners: the choice among several nearest pixels must not depend on ids.
_NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def over_run(combine: np.ufunc, values: Values, size: int, axis: int) -> Values:
    """Combine each run of neighbours along an axis.

    Runs of 1, 2, 4, ... are made by doubling and put together as the binary digits of `size` say, so each value
    counts once.

    Args:
        combine: An associative function of two arrays.
        values: Values (height, width).
        size: Length of a run.
        axis: 0 for runs down the columns, 1 for runs along the rows.

    Returns:
        The combined values, `size - 1` shorter along the axis.
    """
    length = values.shape[axis] - size + 1
    result: Values | None = None
    block, width, start = values, 1, 0
    while width <= size:
        if size & width:
            piece = _cut(block, start, length, axis)
            result = piece if result is None else combine(result, piece)
            start += width
        width *= 2
        if width <= size:
            kept = values.shape[axis] - width + 1
            block = combine(_cut(block, 0, kept, axis), _cut(block, width // 2, kept, axis))
    assert result is not None
    return result


def over_square(combine: np.ufunc, values: Values, size: int) -> Values:
    """Combine each square of values.

    Args:
        combine: An associative function of two arrays.
        values: Values (height, width).
        size: Side of a square.

    Returns:
        The combined values, `size - 1` shorter along both axes.
    """
    return over_run(combine, over_run(combine, values, size, axis=1), size, axis=0)


def over_disk(combine: np.ufunc, values: Values, size: int) -> Values:
    """Combine each disk of values.

    A pixel belongs to the disk when its centre is at most `size / 2` from the disk's: 3 gives the whole square.

    Args:
        combine: An associative function of two arrays, for which a value may count twice.
        values: Values (height, width).
        size: Pixels across, an odd number.

    Returns:
        The combined values, `size - 1` shorter along both axes.
    """
    radius = size // 2
    height, width = (side - size + 1 for side in values.shape)
    runs: dict[int, Values] = {}
    result: Values | None = None
    for row in range(size):
        half = math.isqrt((size**2 - 4 * (row - radius) ** 2) // 4)
        if half not in runs:
            runs[half] = over_run(combine, values, 2 * half + 1, axis=1)
        piece = runs[half][row : row + height, radius - half : radius - half + width]
        result = piece if result is None else combine(result, piece)
    assert result is not None
    return result


def _cut(values: Values, start: int, length: int, axis: int) -> Values:
    return values[start : start + length] if axis == 0 else values[:, start : start + length]


def classes_in(mask: Mask) -> list[int]:
    """List the ids that occur in a mask.

    Args:
        mask: Class ids (height, width).

    Returns:
        The ids from the smallest up, without 255.
    """
    counts = np.bincount(mask.ravel(), minlength=256)
    return [int(index) for index in np.flatnonzero(counts[:IGNORE_INDEX])]


def median_mask(mask: Mask, size: int) -> Mask:
    """Give each pixel the class that fills more than half of the `size` x `size` window around it, if one does.

    That is the median of each class against all others, so for two classes the median filter itself; the median of
    the ids would mean nothing. Only pixels that hold data count.

    Args:
        mask: Class ids, uint8 (height, width) with 255 where there is no data.
        size: Side of the window in pixels, an odd number.

    Returns:
        A new mask of the same shape.
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

    Where two classes are equally frequent the pixel keeps its class. Only pixels that hold data count.

    Args:
        mask: Class ids, uint8 (height, width) with 255 where there is no data.
        size: Side of the window in pixels, an odd number.

    Returns:
        A new mask of the same shape.
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


def open_mask(mask: Mask, size: int, *, background: int | None = None) -> Mask:
    """Take from each class the places where no disk of `size` pixels fits into it: specks, spurs, thin lines.

    They go to the nearest other class that keeps its place there, at most `size` pixels away (of several the one above,
    then left, right, below); with none so near they stay. The `background` keeps every place. A class may go on where
    the mask ends or has no data, so nothing is taken because it is cut off there.

    Args:
        mask: Class ids, uint8 (height, width) with 255 where there is no data.
        size: Width of the disk in pixels, an odd number.
        background: Id of the class that is no object; None without one.

    Returns:
        A new mask of the same shape.
    """
    is_kept = mask == IGNORE_INDEX
    if background is not None:
        is_kept |= mask == background
    for classes in _groups(mask, background):
        grown = np.pad(_bits(mask, classes, nodata=_ALL), size - 1, constant_values=_ALL)
        opened = over_disk(np.bitwise_or, over_disk(np.bitwise_and, grown, size), size)
        is_kept |= (opened & _bits(mask, classes, nodata=0)) != 0
    # The other classes around free pixels grow into them, ring after ring; pixels out of reach stay.
    is_free = ~is_kept
    known = np.pad(np.where(is_free, np.uint8(IGNORE_INDEX), mask), 1, constant_values=IGNORE_INDEX)
    flat, stride = known.reshape(-1), known.shape[1]
    offsets = [row * stride + col for row, col in _NEIGHBOURS]
    free, own = np.flatnonzero(np.pad(is_free, 1)), mask[is_free]
    for _ in range(size):
        found = np.full(free.shape, IGNORE_INDEX, np.uint8)
        for offset in offsets:
            neighbour = flat[free + offset]
            found = np.where((found == IGNORE_INDEX) & (neighbour != own), neighbour, found)
        flat[free] = found
        is_left = found == IGNORE_INDEX
        free, own = free[is_left], own[is_left]
        if free.size == 0:
            break
    flat[free] = own
    return known[1:-1, 1:-1].copy()


def close_mask(mask: Mask, size: int, *, background: int | None = None) -> Mask:
    """Give each class the places next to it into which no disk of `size` pixels fits: gaps, cracks, pinholes.

    A place that two classes could claim keeps its class, and the `background` claims nothing. Nothing is claimed
    because the mask ends or has no data next to it. Without a background a line thinner than `size` that parts a class
    in two is such a gap.

    Args:
        mask: Class ids, uint8 (height, width) with 255 where there is no data.
        size: Width of the disk in pixels, an odd number.
        background: Id of the class that is no object; None without one.

    Returns:
        A new mask of the same shape.
    """
    claims = np.zeros(mask.shape, np.uint16)
    claimed_by = mask.copy()
    for classes in _groups(mask, background):
        own = _bits(mask, classes, nodata=0)
        padded = np.pad(own, size - 1)
        closed = over_disk(np.bitwise_and, over_disk(np.bitwise_or, padded, size), size)
        claimed = closed & ~own
        claims += _BITS_SET[claimed]
        class_of_bit = np.full(256, IGNORE_INDEX, np.uint8)
        class_of_bit[1 << np.arange(len(classes))] = classes
        np.copyto(claimed_by, class_of_bit[claimed], where=claimed != 0)
    return np.where((claims == 1) & (mask != IGNORE_INDEX), claimed_by, mask)


def _groups(mask: Mask, background: int | None) -> Iterator[list[int]]:
    classes = [index for index in classes_in(mask) if index != background]
    for first in range(0, len(classes), _CLASSES_A_BYTE):
        yield classes[first : first + _CLASSES_A_BYTE]


def _bits(mask: Mask, classes: list[int], *, nodata: int) -> Bits:
    bit_of_class = np.zeros(256, np.uint8)
    bit_of_class[classes] = 1 << np.arange(len(classes))
    bit_of_class[IGNORE_INDEX] = nodata
    return bit_of_class[mask]

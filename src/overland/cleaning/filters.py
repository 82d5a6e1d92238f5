"""Opening and closing of every class at once: each class is one bit of a byte, eight to a pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from overland.legend import IGNORE_INDEX
from overland.postprocess.filters import Mask, classes_in
from overland.postprocess.sliding import over_disk

__all__ = ["close_mask", "open_mask"]

Bits = npt.NDArray[np.uint8]

_ALL = 0xFF
_CLASSES_A_BYTE = 8
_BITS_SET = np.array([value.bit_count() for value in range(256)], np.uint8)
# Above, left, right, below, then the corners: which of several nearest pixels is taken must not depend on ids.
_NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def open_mask(mask: Mask, size: int, *, background: int | None = None) -> Mask:
    """Take from each class the places where no disk of `size` pixels fits into it: specks, spurs, thin lines.

    They go to the nearest other class that keeps its place there, at most `size` pixels away (of several the one above,
    then left, right, below); with none so near they stay. The `background` keeps every place. A class may go on where
    the mask ends or has no data, so nothing is taken because it is cut off there.
    """
    is_kept = mask == IGNORE_INDEX
    if background is not None:
        is_kept |= mask == background
    for classes in _groups(mask, background):
        grown = np.pad(_bits(mask, classes, nodata=_ALL), size - 1, constant_values=_ALL)
        opened = over_disk(np.bitwise_or, over_disk(np.bitwise_and, grown, size), size)
        is_kept |= (opened & _bits(mask, classes, nodata=0)) != 0
    return _filled_from_nearest(mask, ~is_kept, size)


def close_mask(mask: Mask, size: int, *, background: int | None = None) -> Mask:
    """Give each class the places beside it into which no disk of `size` pixels fits: gaps, cracks, pinholes.

    What two classes could claim so stays what it is, and the `background` claims nothing. Nothing is claimed because
    the mask ends or has no data beside it. Without a background a line thinner than `size` that parts a class in two
    is such a gap.
    """
    claims = np.zeros(mask.shape, np.uint16)
    claimed_by = mask.copy()
    for classes in _groups(mask, background):
        own = _bits(mask, classes, nodata=0)
        padded = np.pad(own, size - 1)
        closed = over_disk(np.bitwise_and, over_disk(np.bitwise_or, padded, size), size)
        claimed = closed & ~own
        claims += _BITS_SET[claimed]
        np.copyto(claimed_by, _class_of_bit(classes)[claimed], where=claimed != 0)
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


def _class_of_bit(classes: list[int]) -> Mask:
    class_of_bit = np.full(256, IGNORE_INDEX, np.uint8)
    class_of_bit[1 << np.arange(len(classes))] = classes
    return class_of_bit


def _filled_from_nearest(mask: Mask, is_free: npt.NDArray[np.bool_], reach: int) -> Mask:
    """Let the other classes around free pixels grow into them, ring after ring; what is out of reach stays."""
    known = np.pad(np.where(is_free, np.uint8(IGNORE_INDEX), mask), 1, constant_values=IGNORE_INDEX)
    flat, stride = known.reshape(-1), known.shape[1]
    offsets = [row * stride + col for row, col in _NEIGHBOURS]
    free, own = np.flatnonzero(np.pad(is_free, 1)), mask[is_free]
    for _ in range(reach):
        found = _first_other(flat, free, own, offsets)
        flat[free] = found
        is_left = found == IGNORE_INDEX
        free, own = free[is_left], own[is_left]
        if free.size == 0:
            break
    flat[free] = own
    return known[1:-1, 1:-1].copy()


def _first_other(flat: Mask, places: npt.NDArray[np.intp], own: Mask, offsets: list[int]) -> Mask:
    found = np.full(places.shape, IGNORE_INDEX, np.uint8)
    for offset in offsets:
        neighbour = flat[places + offset]
        found = np.where((found == IGNORE_INDEX) & (neighbour != own), neighbour, found)
    return found

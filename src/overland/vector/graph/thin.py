"""Thinning of masks of any size, band by band, with the very result of thinning the whole at once.

Whether thinning removes a pixel depends on its eight neighbours, twice an iteration: after n iterations what lies more
than 2n rows away has had no influence. So a band with a halo of 2n rows may run n iterations, and the bands are gone
through again until none of them changes. Roads up to about twice n pixels wide need one round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from overland.raster import Window
from overland.vector.graph.pixels import BitMask

__all__ = ["thin_bands", "thin_window"]

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_ITERATIONS = 32


def thin_bands(mask: BitMask, bands: Sequence[Window], iterations: int = _ITERATIONS) -> BitMask:
    """Thin a mask to lines one pixel wide; `iterations` are run in a band before the next one has its turn."""
    halo, is_stable = 2 * iterations, False
    while not is_stable:
        is_stable, thinned = True, BitMask(*mask.shape)
        for band in bands:
            start, end = max(0, band.row_off - halo), min(mask.shape[0], band.row_end + halo)
            inner = slice(band.row_off - start, band.row_end - start)
            pixels, late_rows = thin_window(mask.rows(start, end), iterations)
            thinned.set_rows(band.row_off, pixels[inner])
            is_stable &= not late_rows[inner].any()
        mask = thinned
    return mask


def thin_window(mask: Bools, iterations: int) -> tuple[Bools, Bools]:
    """Thin a mask (height, width) by at most so many iterations; also the rows that the last of them has changed.

    Source: Guo & Hall 1989 as in Lam et al. 1992; it gives what skimage.morphology.thin gives.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    image, around = padded.ravel(), _around(padded.shape[1])
    contour = np.flatnonzero(image)
    contour = contour[_neighbour_codes(image, contour, around) != 255]
    stamps = np.empty(image.size, dtype=np.int32)
    late_rows = np.zeros(len(padded), dtype=bool)
    # Only pixels beside one that has gone since they were last looked at in the same half can go now.
    changed_before, changed = contour, contour
    for half in range(2 * iterations):
        candidates = _unique(np.concatenate([changed_before, changed]), stamps)
        candidates = candidates[image[candidates] > 0]
        gone = candidates[_REMOVED[half % 2][_neighbour_codes(image, candidates, around)]]
        image[gone] = 0
        beside = (gone[:, None] + around).ravel()
        changed_before, changed = changed, beside[image[beside] > 0]
        if half >= 2 * iterations - 2:
            late_rows[gone // padded.shape[1]] = True
        if not len(changed_before) and not len(changed):
            break
    return padded[1:-1, 1:-1].view(bool), late_rows[1:-1]


def _around(stride: int) -> Indices:
    """Steps to the neighbours, anticlockwise from the one to the right."""
    return np.array([1, 1 - stride, -stride, -1 - stride, -1, stride - 1, stride, 1 + stride])


def _neighbour_codes(image: npt.NDArray[np.uint8], pixels: Indices, around: Indices) -> npt.NDArray[np.uint8]:
    codes = np.zeros(len(pixels), dtype=np.uint8)
    for bit, step in enumerate(around):
        codes |= image[pixels + step] << np.uint8(bit)
    return codes


def _unique(pixels: Indices, stamps: npt.NDArray[np.int32]) -> Indices:
    numbers = np.arange(len(pixels), dtype=np.int32)
    stamps[pixels] = numbers
    return np.asarray(pixels[stamps[pixels] == numbers])


def _removed(half: int) -> Bools:
    """For each code of neighbours, whether the pixel goes in the first or the second half of an iteration."""
    x = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(bool)
    beside, corner, beside_next = x[:, 0::2], x[:, 1::2], np.roll(x[:, 0::2], -1, axis=1)
    crossings = (~beside & (corner | beside_next)).sum(axis=1)
    pairs = np.minimum((beside | corner).sum(axis=1), (corner | beside_next).sum(axis=1))
    # The same condition for one half, turned by 180 degrees for the other.
    east, north_east, north, south_east = (x[:, (index + 4 * half) % 8] for index in (0, 1, 2, 7))
    is_rim = ~((north_east | north | ~south_east) & east)
    return np.asarray((crossings == 1) & (pairs >= 2) & (pairs <= 3) & is_rim, dtype=bool)


_REMOVED = (_removed(0), _removed(1))

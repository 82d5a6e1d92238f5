"""Pixels of a scene of any size: read window by window, kept at one bit each, walked through in bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.raster import Window

__all__ = ["BitMask", "ReadScores", "RoadPixels", "bitmask_from_array", "plan_bands", "road_pixels_from_arrays"]

Bools = npt.NDArray[np.bool_]
ReadScores = Callable[[Window], npt.NDArray[Any]]

_BAND_PIXELS = 1 << 23
# Files are stored in blocks of so many rows; a band that cuts through them would decode them twice.
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class RoadPixels:
    """What a road graph is made from, read window by window: which pixels are road, and how probable road is.

    `read_mask` gives booleans (height, width) of a window inside the scene, `read_scores` probabilities in 0..1 of the
    same shape, NaN where there is no data; None when there are none.
    """

    height: int
    width: int
    read_mask: Callable[[Window], Bools]
    read_scores: ReadScores | None = None


class BitMask:
    """A mask of a whole scene at one bit a pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._bytes = np.zeros((height, (width + 7) // 8), dtype=np.uint8)

    def rows(self, start: int, end: int) -> Bools:
        """Rows from `start` to before `end`, (end - start, width); above and below the scene its edge rows repeat."""
        height, width = self.shape
        packed = self._bytes[np.arange(start, end).clip(0, height - 1)]
        return np.unpackbits(packed, axis=1, count=width).view(bool)

    def set_rows(self, start: int, pixels: Bools) -> None:
        """Replace rows from `start` on by pixels (rows, width)."""
        self._bytes[start : start + len(pixels)] = np.packbits(pixels, axis=1)

    def at(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> Bools:
        """The pixels at rows and columns; False outside of the scene."""
        height, width = self.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        rows, cols = rows.clip(0, height - 1), cols.clip(0, width - 1)
        found = (self._bytes[rows, cols >> 3] >> (7 - (cols & 7)).astype(np.uint8)) & 1
        return np.asarray(inside & found.astype(bool))


def bitmask_from_array(mask: Bools) -> BitMask:
    """A mask (height, width) at one bit a pixel."""
    bits = BitMask(*mask.shape)
    bits.set_rows(0, mask)
    return bits


def road_pixels_from_arrays(mask: Bools, scores: npt.NDArray[Any] | None = None) -> RoadPixels:
    """Pixels that are in memory already: a mask and maybe probabilities, both (height, width)."""
    read_scores = None if scores is None else lambda window: scores[window.slices]
    return RoadPixels(len(mask), mask.shape[1], lambda window: mask[window.slices], read_scores)


def plan_bands(height: int, width: int, band_rows: int | None = None) -> list[Window]:
    """Bands of full width that cover a scene from top to bottom, of `band_rows` or some 8 million pixels."""
    if band_rows is None:
        band_rows = max(1, _BAND_PIXELS // max(width, 1) // _BLOCK_ROWS) * _BLOCK_ROWS
    starts = range(0, height, band_rows)
    return [Window(start, 0, min(band_rows, height - start), width) for start in starts]

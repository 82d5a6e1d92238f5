"""Blending: overlapping windows are weighed and summed, and rows leave as soon as no window can add to them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from overland.geo.grid import Window
from overland.inference.plan import Axis, Plan
from overland.inference.probabilities import Probabilities

__all__ = ["Blend"]

_Weights = npt.NDArray[np.float32] | None
_Part = tuple[int, int, _Weights]


class Blend:
    """The rows of probabilities that windows still add to.

    Windows are added row by row of windows, from the top, each row in an order of columns that is the same in every
    run: sums of floats depend on their order.

    Args:
        plan: The windows of the whole raster.
        num_outputs: Number of probabilities for each pixel.
        region: The part of the raster whose probabilities are wanted, in pixels of the raster.
    """

    def __init__(self, plan: Plan, num_outputs: int, region: Window) -> None:
        self._plan, self._region = plan, region
        self._row_off = region.row_off
        self._total = np.zeros((num_outputs, 0, region.width), np.float32)
        self._row_parts: list[_Part] = []
        self._col_parts = {
            col: _parts(plan.cols, col, region.col_off, region.col_end)
            for col in plan.cols.touching(region.col_off, region.col_end)
        }

    def open_row(self, row: int) -> None:
        """Make room for a row of windows.

        Args:
            row: Its number in the plan; one more than that of the row before.
        """
        _, end = self._plan.rows.span(row)
        count, kept, width = self._total.shape
        grown = np.zeros((count, min(end, self._region.row_end) - self._row_off, width), np.float32)
        grown[:, :kept] = self._total
        self._total = grown
        self._row_parts = _parts(self._plan.rows, row, self._region.row_off, self._region.row_end)

    def add(self, probabilities: Probabilities, row: int, col: int) -> None:
        """Add the probabilities of a window, each pixel with the window's weight there.

        Args:
            probabilities: Probabilities (outputs, chip rows, chip columns) of the whole window, halos included; they
                are weighed in place.
            row: The window's row in the plan, the one opened last.
            col: The window's column in the plan.
        """
        top, left = self._plan.rows.start(row), self._plan.cols.start(col)
        for first_row, end_row, row_weights in self._row_parts:
            rows = slice(first_row - self._row_off, end_row - self._row_off)
            for first_col, end_col, col_weights in self._col_parts[col]:
                cols = slice(first_col - self._region.col_off, end_col - self._region.col_off)
                part = probabilities[:, first_row - top : end_row - top, first_col - left : end_col - left]
                if row_weights is None and col_weights is None:
                    self._total[:, rows, cols] = part
                    continue
                if row_weights is not None:
                    part *= row_weights[:, None]
                if col_weights is not None:
                    part *= col_weights
                self._total[:, rows, cols] += part

    def take(self, row: int, align: int = 1, origin: int = 0) -> tuple[int, Probabilities]:
        """Hand out the rows that are finished after a row of windows.

        Args:
            row: The row of windows that was added last.
            align: Every block of rows but the last ends at a multiple of so many rows below `origin`, so that a file's
                blocks are written whole.
            origin: Row of the raster from which `align` counts.

        Returns:
            Number of the first row in the raster, and the probabilities (outputs, rows, width) of the finished rows, of
            which there may be none.
        """
        rows, end = self._plan.rows, self._region.row_end
        following = rows.span(row + 1)[0] if row + 1 < rows.count else rows.length
        finished = end if following >= end else max(self._row_off, origin + (following - origin) // align * align)
        first, count = self._row_off, finished - self._row_off
        block, self._total = self._total[:, :count], self._total[:, count:]
        self._row_off = finished
        return first, block


def _parts(axis: Axis, index: int, first: int, end: int) -> list[_Part]:
    """Cut a window's span where it begins and ends to be alone: there it has weight 1, and is copied, not added."""
    start, stop = axis.span(index)
    alone, alone_end = axis.alone(index)
    cuts = sorted({start, stop, *(cut for cut in (alone, alone_end) if alone < alone_end)})
    weights = axis.weights(index)
    parts: list[_Part] = []
    for cut, next_cut in itertools.pairwise(cuts):
        low, high = max(cut, first), min(next_cut, end)
        if low < high:
            is_alone = (cut, next_cut) == (alone, alone_end)
            parts.append((low, high, None if is_alone else weights[low - start : high - start]))
    return parts

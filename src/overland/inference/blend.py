"""Blending: overlapping windows are weighed and summed, and rows leave as soon as no window can add to them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from overland.inference.plan import Axis, Plan
from overland.raster import Window

__all__ = ["Blend"]

Scores = npt.NDArray[np.float32]
_Part = tuple[int, int, npt.NDArray[np.float32] | None]


class Blend:
    """The rows of scores that windows still add to. Windows are added row by row of windows, from the top.

    `target` is the part of the raster whose scores are wanted.
    """

    def __init__(self, plan: Plan, num_scores: int, target: Window) -> None:
        self._plan, self._target = plan, target
        self._row_off = target.row_off
        self._scores = np.zeros((num_scores, 0, target.width), np.float32)
        self._row_parts: list[_Part] = []
        self._col_parts = {
            col: _parts(plan.cols, col, target.col_off, target.col_end)
            for col in plan.cols.touching(target.col_off, target.col_end)
        }

    def open_row(self, row: int) -> None:
        """Make room for a row of windows."""
        _, end = self._plan.rows.span(row)
        count, kept, width = self._scores.shape
        grown = np.zeros((count, min(end, self._target.row_end) - self._row_off, width), np.float32)
        grown[:, :kept] = self._scores
        self._scores = grown
        self._row_parts = _parts(self._plan.rows, row, self._target.row_off, self._target.row_end)

    def add(self, scores: Scores, row: int, col: int) -> None:
        """Add the scores (scores, rows, cols) of a window's chip; they are weighed in place."""
        top, left = self._plan.rows.start(row), self._plan.cols.start(col)
        for first_row, end_row, row_weights in self._row_parts:
            rows = slice(first_row - self._row_off, end_row - self._row_off)
            for first_col, end_col, col_weights in self._col_parts[col]:
                cols = slice(first_col - self._target.col_off, end_col - self._target.col_off)
                part = scores[:, first_row - top : end_row - top, first_col - left : end_col - left]
                _add_part(self._scores[:, rows, cols], part, row_weights, col_weights)

    def take(self, row: int, align: int = 1, origin: int = 0) -> tuple[int, Scores]:
        """Hand out the rows that are finished after a row of windows: number of the first, and their scores.

        Every lot but the last ends a multiple of `align` rows below the row `origin`, so that a file's blocks are
        written whole; one can be empty.
        """
        finished = self._finished_after(row, align, origin)
        first, count = self._row_off, finished - self._row_off
        lot, self._scores = self._scores[:, :count], self._scores[:, count:]
        self._row_off = finished
        return first, lot

    def _finished_after(self, row: int, align: int, origin: int) -> int:
        rows, end = self._plan.rows, self._target.row_end
        following = rows.span(row + 1)[0] if row + 1 < rows.count else rows.length
        return end if following >= end else max(self._row_off, origin + (following - origin) // align * align)


def _parts(axis: Axis, index: int, first: int, end: int) -> list[_Part]:
    # A window is alone on most of its span and has weight 1 there: no pass over the scores but the one that copies.
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


def _add_part(
    total: Scores,
    part: Scores,
    row_weights: npt.NDArray[np.float32] | None,
    col_weights: npt.NDArray[np.float32] | None,
) -> None:
    if row_weights is None and col_weights is None:
        total[...] = part
        return
    if row_weights is not None:
        part *= row_weights[:, None]
    if col_weights is not None:
        part *= col_weights
    total += part

"""Blending: overlapping windows are weighed and summed, and rows leave as soon as no window can add to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from overland.inference.plan import Plan

__all__ = ["Blend"]

Scores = npt.NDArray[np.float32]


class Blend:
    """The rows of scores that windows still add to. Windows are added row by row of windows, from the top."""

    def __init__(self, plan: Plan, num_scores: int) -> None:
        self._plan = plan
        self._row_off = 0
        self._scores = np.zeros((num_scores, 0, plan.cols.length), np.float32)
        self._row_weights = plan.rows.weights(0)
        self._col_weights = [plan.cols.weights(index) for index in range(plan.cols.count)]

    def open_row(self, row: int) -> None:
        """Make room for a row of windows."""
        _, end = self._plan.rows.span(row)
        count, kept, width = self._scores.shape
        grown = np.zeros((count, end - self._row_off, width), np.float32)
        grown[:, :kept] = self._scores
        self._scores = grown
        self._row_weights = self._plan.rows.weights(row)

    def add(self, scores: Scores, row: int, col: int) -> None:
        """Add the scores (scores, rows, cols) of a window, cut to its span; they are weighed in place."""
        first_row, end_row = self._plan.rows.span(row)
        first_col, end_col = self._plan.cols.span(col)
        scores *= self._row_weights[:, None]
        scores *= self._col_weights[col]
        rows = slice(first_row - self._row_off, end_row - self._row_off)
        self._scores[:, rows, first_col:end_col] += scores

    def take(self, row: int, align: int = 1) -> tuple[int, Scores]:
        """Hand out the rows that are finished after a row of windows: number of the first, and their scores.

        Every lot but the last ends at a multiple of `align`, so that a file's blocks are written whole; one can be
        empty.
        """
        finished = self._finished_after(row, align)
        first, count = self._row_off, finished - self._row_off
        lot, self._scores = self._scores[:, :count], self._scores[:, count:]
        self._row_off = finished
        return first, lot

    def _finished_after(self, row: int, align: int) -> int:
        rows = self._plan.rows
        if row == rows.count - 1:
            return rows.length
        following, _ = rows.span(row + 1)
        return max(self._row_off, following // align * align)

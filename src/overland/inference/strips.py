"""Strips: the rows of a scene that one row of windows sees, each row read once, and the chips cut out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.inference.plan import Axis, Plan

__all__ = ["ReadRows", "Strip", "cut_chip", "iter_strips"]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]

ReadRows = Callable[[int, int], tuple[Pixels, Valid]]
"""Reads the rows from a first one up to an end: pixels (bands, rows, width) and where they hold data (rows, width)."""


@dataclass(frozen=True)
class Strip:
    """Rows of a scene over its whole width: pixels (bands, rows, width), and where they hold data (rows, width)."""

    row_off: int
    pixels: Pixels
    valid: Valid

    @property
    def row_end(self) -> int:
        """First row below the strip."""
        return self.row_off + len(self.valid)

    def from_row(self, row: int) -> Strip:
        """The strip without the rows above one."""
        skip = row - self.row_off
        return Strip(row, self.pixels[:, skip:], self.valid[skip:])


def iter_strips(read_rows: ReadRows, rows: Axis, align: int = 1) -> Iterator[Strip]:
    """Read the strip of each row of windows in turn.

    Rows that two strips share are kept, not read again, and reading stops at multiples of `align` (the height of the
    file's blocks), so that no block is decoded twice.
    """
    held: Strip | None = None
    for index in range(rows.count):
        first, end = rows.seen(index)
        held = _extended(held, first, end, min(rows.length, -(-end // align) * align), read_rows)
        yield Strip(first, held.pixels[:, : end - first], held.valid[: end - first])


def cut_chip(strip: Strip, plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    """Cut a window's chip out of its strip; beyond the raster it is filled by reflection at the edge."""
    first, end = plan.cols.seen(col)
    pad = (_padding(plan.rows, row), _padding(plan.cols, col))
    pixels, valid = strip.pixels[:, :, first:end], strip.valid[:, first:end]
    if pad == ((0, 0), (0, 0)):
        return pixels, valid
    return np.pad(pixels, ((0, 0), *pad), mode="reflect"), np.pad(valid, pad, mode="reflect")


def _extended(held: Strip | None, first: int, end: int, read_end: int, read_rows: ReadRows) -> Strip:
    if held is None:
        return Strip(first, *read_rows(first, read_end))
    kept = held.from_row(first)
    if kept.row_end >= end:
        return kept
    pixels, valid = read_rows(kept.row_end, read_end)
    return Strip(first, np.concatenate([kept.pixels, pixels], axis=1), np.concatenate([kept.valid, valid]))


def _padding(axis: Axis, index: int) -> tuple[int, int]:
    start = axis.start(index)
    return max(0, -start), max(0, start + axis.chip - axis.length)

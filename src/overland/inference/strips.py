"""Strips: the rows of a scene that one row of windows sees, joined from pieces, and the chips cut out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.inference.plan import Axis, Plan

__all__ = ["Pixels", "Strip", "Valid", "cut_chip", "iter_strips"]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Strip:
    """Rows of a scene, from a column on that is the same for all strips of a run.

    Pixels are (bands, rows, cols); `valid` (rows, cols) says where they hold data. `wanted` (rows, width) says which
    pixels of the rows are to be predicted; its columns are those of what is written, not those that are seen.
    """

    row_off: int
    col_off: int
    pixels: Pixels
    valid: Valid
    wanted: Valid

    @property
    def row_end(self) -> int:
        """First row below the strip."""
        return self.row_off + len(self.valid)

    def cut(self, first: int, end: int) -> Strip:
        """The rows from a first one up to an end."""
        rows = slice(first - self.row_off, end - self.row_off)
        return Strip(first, self.col_off, self.pixels[:, rows], self.valid[rows], self.wanted[rows])


def iter_strips(pieces: Iterable[Strip], rows: Axis, indices: range) -> Iterator[Strip]:
    """Join pieces to the strip of each row of windows in turn; rows that two strips share are kept, not read again."""
    pieces = iter(pieces)
    held = next(pieces)
    for index in indices:
        first, end = rows.seen(index)
        parts = [held.cut(first, held.row_end)]
        while parts[-1].row_end < end:
            parts.append(next(pieces))
        held = _joined(parts)
        yield held.cut(first, end)


def cut_chip(strip: Strip, plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    """Cut a window's chip out of its strip; beyond the raster it is filled by reflection at the edge."""
    first, end = plan.cols.seen(col)
    pad = (_padding(plan.rows, row), _padding(plan.cols, col))
    cols = slice(first - strip.col_off, end - strip.col_off)
    pixels, valid = strip.pixels[:, :, cols], strip.valid[:, cols]
    if pad == ((0, 0), (0, 0)):
        return pixels, valid
    return np.pad(pixels, ((0, 0), *pad), mode="reflect"), np.pad(valid, pad, mode="reflect")


def _joined(parts: list[Strip]) -> Strip:
    parts = [part for part in parts if len(part.valid)]
    if len(parts) == 1:
        return parts[0]
    return Strip(
        parts[0].row_off,
        parts[0].col_off,
        np.concatenate([part.pixels for part in parts], axis=1),
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.wanted for part in parts]),
    )


def _padding(axis: Axis, index: int) -> tuple[int, int]:
    start = axis.start(index)
    return max(0, -start), max(0, start + axis.chip - axis.length)

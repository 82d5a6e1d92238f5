"""Pieces: the rows of a scene as they are read, a few whole blocks at a time, and which of their pixels are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from overland.inference.plan import Axis, Plan
from overland.inference.region import Region
from overland.raster import Grid, Window

__all__ = [
    "Pixels",
    "ReadRows",
    "RowBuffer",
    "Source",
    "Valid",
    "blocks_of_stride",
    "cut_chip",
    "iter_read_blocks",
    "iter_row_buffers",
    "iter_scene_blocks",
]


# What the predictor reads from: an open scene, or one seen in other pixels.


class Source(Protocol):
    """Pixels that are read window by window, in one thread at a time."""

    @property
    def grid(self) -> Grid:
        """Where they lie."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns that are cheapest to read together."""

    def read(self, window: Window, bands: Sequence[int]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Pixels (bands, height, width) as stored, and which of them hold data (height, width)."""


# Strips: the rows of a scene that one row of windows sees, joined from pieces, and the chips cut out of them.

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowBuffer:
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

    def cut(self, first: int, end: int) -> RowBuffer:
        """The rows from a first one up to an end."""
        rows = slice(first - self.row_off, end - self.row_off)
        return RowBuffer(first, self.col_off, self.pixels[:, rows], self.valid[rows], self.wanted[rows])


def iter_row_buffers(pieces: Iterable[RowBuffer], rows: Axis, indices: range) -> Iterator[RowBuffer]:
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


def cut_chip(strip: RowBuffer, plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    """Cut a window's chip out of its strip; beyond the raster it is filled by reflection at the edge."""
    first, end = plan.cols.seen(col)
    pad = (_padding(plan.rows, row), _padding(plan.cols, col))
    cols = slice(first - strip.col_off, end - strip.col_off)
    pixels, valid = strip.pixels[:, :, cols], strip.valid[:, cols]
    if pad == ((0, 0), (0, 0)):
        return pixels, valid
    return np.pad(pixels, ((0, 0), *pad), mode="reflect"), np.pad(valid, pad, mode="reflect")


def _joined(parts: list[RowBuffer]) -> RowBuffer:
    parts = [part for part in parts if len(part.valid)]
    if len(parts) == 1:
        return parts[0]
    return RowBuffer(
        parts[0].row_off,
        parts[0].col_off,
        np.concatenate([part.pixels for part in parts], axis=1),
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.wanted for part in parts]),
    )


def _padding(axis: Axis, index: int) -> tuple[int, int]:
    start = axis.start(index)
    return max(0, -start), max(0, start + axis.chip - axis.length)


ReadRows = Callable[[int, int], RowBuffer]
"""Reads the rows from a first one up to an end."""

# About so many rows are read at a time. Taller blocks than the tallest (a whole image in one strip, say) are not worth
# holding; GDAL's cache serves them.
_ROWS = 512
_TALLEST_BLOCK = 1024


def iter_scene_blocks(
    scene: Source, bands: Sequence[int], plan: Plan, left: Window, region: Region | None
) -> Iterator[RowBuffer]:
    """Read what the windows see that are needed for a part of a scene, `left`, from top to bottom.

    Wanted are the pixels of that part which hold data and lie inside the region.
    """
    rows = plan.rows.touching(left.row_off, left.row_end)
    cols = plan.cols.touching(left.col_off, left.col_end)
    first_col, end_col = plan.cols.seen(cols[0])[0], plan.cols.seen(cols[-1])[1]

    def read_rows(first: int, end: int) -> RowBuffer:
        window = Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first)
        pixels, valid = scene.read(window, bands)
        written = valid[:, left.col_off - first_col : left.col_end - first_col]
        return RowBuffer(first, first_col, pixels, valid, _wanted(written, first, left, region))

    return iter_read_blocks(read_rows, plan.rows.seen(rows[0])[0], plan.rows.seen(rows[-1])[1], _piece_height(scene))


def iter_read_blocks(read_rows: ReadRows, first: int, end: int, step: int) -> Iterator[RowBuffer]:
    """Read rows piece by piece; pieces end at multiples of `step`, so that no block of that height is decoded twice."""
    while first < end:
        piece_end = min(end, first // step * step + step)
        yield read_rows(first, piece_end)
        first = piece_end


def blocks_of_stride(plan: Plan) -> int:
    """How many pieces a row of windows needs beyond the rows that it shares with the one before."""
    return -(-plan.rows.stride // _ROWS)


def _wanted(valid: Valid, first: int, left: Window, region: Region | None) -> Valid:
    if region is None:
        return valid
    here = Window(col_off=left.col_off, row_off=first, width=valid.shape[1], height=valid.shape[0]).intersection(left)
    wanted = np.zeros_like(valid)
    if here.height:
        rows = slice(here.row_off - first, here.row_end - first)
        inside = region.inside(here)
        wanted[rows] = valid[rows] if inside is None else valid[rows] & inside
    return wanted


def _piece_height(scene: Source) -> int:
    block_height, _ = scene.block_shape
    return _ROWS if block_height > _TALLEST_BLOCK else -(-_ROWS // block_height) * block_height

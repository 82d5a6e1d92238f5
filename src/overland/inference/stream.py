"""The rows of a scene as they stream by: blocks that are read, buffers that a row of windows sees, and chips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from overland.geo.grid import Grid, Window
from overland.inference.plan import Axis, Plan
from overland.inference.probabilities import Pixels, Valid
from overland.inference.region import Region

__all__ = [
    "ReadRows",
    "Reader",
    "RowBuffer",
    "blocks_of_stride",
    "cut_chip",
    "iter_read_blocks",
    "iter_row_buffers",
    "iter_scene_blocks",
]

# About so many rows are read at a time. Taller blocks than the tallest (a whole image in one block, say) are not worth
# holding; GDAL's cache serves them.
_ROWS = 512
_TALLEST_BLOCK = 1024


class Reader(Protocol):
    """Pixels that are read window by window, in one thread at a time: an open scene, or one seen in other pixels."""

    @property
    def grid(self) -> Grid:
        """Size and place of the pixels."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns that are cheapest to read together."""

    def read(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        """Read a window.

        Args:
            window: Rows and columns, within the grid.
            bands: Bands, counted from 1.

        Returns:
            Pixels (bands, height, width) as stored, and which of them hold data (height, width).
        """


@dataclass(frozen=True)
class RowBuffer:
    """Rows of a scene.

    Attributes:
        row_off: Their first row in the scene.
        col_off: Their first column in the scene; the same for all buffers of a run.
        pixels: Pixels (bands, rows, cols) as stored.
        valid: Where they hold data (rows, cols).
        wanted: Which pixels are to be predicted (rows, width); its columns are those that are written, not those that
            are seen.
    """

    row_off: int
    col_off: int
    pixels: Pixels
    valid: Valid
    wanted: Valid

    @property
    def row_end(self) -> int:
        """First row below the buffer."""
        return self.row_off + len(self.valid)

    def cut(self, first: int, end: int) -> RowBuffer:
        """Cut rows out of the buffer.

        Args:
            first: First row, in the scene.
            end: The row after the last.

        Returns:
            A view of these rows.
        """
        rows = slice(first - self.row_off, end - self.row_off)
        return RowBuffer(first, self.col_off, self.pixels[:, rows], self.valid[rows], self.wanted[rows])


ReadRows = Callable[[int, int], RowBuffer]
"""Reads the rows from a first one up to an end."""


def iter_scene_blocks(
    scene: Reader, bands: Sequence[int], plan: Plan, window: Window, region: Region | None
) -> Iterator[RowBuffer]:
    """Read the rows that the windows of a part of a scene see, from top to bottom.

    Wanted are the pixels of that part which hold data and lie inside the region.

    Args:
        scene: The scene.
        bands: Bands to read, counted from 1.
        plan: The windows of the whole scene.
        window: The part that is to be predicted, in pixels of the scene.
        region: Which pixels of the part are wanted; all by default.

    Yields:
        Blocks of whole rows, each once.
    """
    rows = plan.rows.touching(window.row_off, window.row_end)
    cols = plan.cols.touching(window.col_off, window.col_end)
    first_col, end_col = plan.cols.seen(cols[0])[0], plan.cols.seen(cols[-1])[1]

    def read_rows(first: int, end: int) -> RowBuffer:
        seen = Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first)
        pixels, valid = scene.read(seen, bands)
        written = valid[:, window.col_off - first_col : window.col_end - first_col]
        return RowBuffer(first, first_col, pixels, valid, _wanted(written, first, window, region))

    block_height, _ = scene.block_shape
    step = _ROWS if block_height > _TALLEST_BLOCK else -(-_ROWS // block_height) * block_height
    return iter_read_blocks(read_rows, plan.rows.seen(rows[0])[0], plan.rows.seen(rows[-1])[1], step)


def iter_read_blocks(read_rows: ReadRows, first: int, end: int, step: int) -> Iterator[RowBuffer]:
    """Read rows block by block; no block of a file is decoded twice whose height divides the step.

    Args:
        read_rows: Reads some rows.
        first: First row.
        end: The row after the last.
        step: Blocks end at multiples of so many rows.

    Yields:
        The blocks from top to bottom.
    """
    while first < end:
        block_end = min(end, first // step * step + step)
        yield read_rows(first, block_end)
        first = block_end


def iter_row_buffers(blocks: Iterable[RowBuffer], rows: Axis, indices: range) -> Iterator[RowBuffer]:
    """Join blocks to the buffer of each row of windows in turn; rows that two buffers hold are kept, not read again.

    Args:
        blocks: Blocks of rows, from top to bottom.
        rows: The rows of windows.
        indices: Which of them are wanted.

    Yields:
        The rows that each row of windows sees.
    """
    blocks = iter(blocks)
    held = next(blocks)
    for index in indices:
        first, end = rows.seen(index)
        parts = [held.cut(first, held.row_end)]
        while parts[-1].row_end < end:
            parts.append(next(blocks))
        parts = [part for part in parts if len(part.valid)]
        if len(parts) > 1:
            held = RowBuffer(
                parts[0].row_off,
                parts[0].col_off,
                np.concatenate([part.pixels for part in parts], axis=1),
                np.concatenate([part.valid for part in parts]),
                np.concatenate([part.wanted for part in parts]),
            )
        else:
            held = parts[0]
        yield held.cut(first, end)


def cut_chip(buffer: RowBuffer, plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    """Cut the chip of a window out of its buffer; beyond the raster it is filled by reflection at the edge.

    Args:
        buffer: The rows that the window's row sees.
        plan: The windows.
        row: The window's row in the plan.
        col: Its column.

    Returns:
        Pixels (bands, chip rows, chip columns) as stored, and where they hold data (chip rows, chip columns).
    """
    first, end = plan.cols.seen(col)
    pad = (_padding(plan.rows, row), _padding(plan.cols, col))
    cols = slice(first - buffer.col_off, end - buffer.col_off)
    pixels, valid = buffer.pixels[:, :, cols], buffer.valid[:, cols]
    if pad == ((0, 0), (0, 0)):
        return pixels, valid
    return np.pad(pixels, ((0, 0), *pad), mode="reflect"), np.pad(valid, pad, mode="reflect")


def blocks_of_stride(plan: Plan) -> int:
    """Count the blocks that a row of windows needs beyond the rows that it has in common with the one before.

    Args:
        plan: The windows.

    Returns:
        Their number, 1 or more.
    """
    return -(-plan.rows.stride // _ROWS)


def _padding(axis: Axis, index: int) -> tuple[int, int]:
    start = axis.start(index)
    return max(0, -start), max(0, start + axis.chip - axis.length)


def _wanted(valid: Valid, first: int, window: Window, region: Region | None) -> Valid:
    if region is None:
        return valid
    rows = Window(col_off=window.col_off, row_off=first, width=valid.shape[1], height=valid.shape[0])
    here = rows.intersection(window)
    wanted = np.zeros_like(valid)
    if here.height:
        slices = slice(here.row_off - first, here.row_end - first)
        inside = region.inside(here)
        wanted[slices] = valid[slices] if inside is None else valid[slices] & inside
    return wanted

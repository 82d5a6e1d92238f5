"""Pieces: the rows of a scene as they are read, a few whole blocks at a time, and which of their pixels are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from overland.inference.plan import Plan
from overland.inference.region import Region
from overland.inference.source import Source
from overland.inference.strips import Strip, Valid
from overland.raster import Window

__all__ = ["ReadRows", "iter_pieces", "iter_scene_pieces", "pieces_of_stride"]

ReadRows = Callable[[int, int], Strip]
"""Reads the rows from a first one up to an end."""

# About so many rows are read at a time. Taller blocks than the tallest (a whole image in one strip, say) are not worth
# holding; GDAL's cache serves them.
_ROWS = 512
_TALLEST_BLOCK = 1024


def iter_scene_pieces(
    scene: Source, bands: Sequence[int], plan: Plan, left: Window, region: Region | None
) -> Iterator[Strip]:
    """Read what the windows see that are needed for a part of a scene, `left`, from top to bottom.

    Wanted are the pixels of that part which hold data and lie inside the region.
    """
    rows = plan.rows.touching(left.row_off, left.row_end)
    cols = plan.cols.touching(left.col_off, left.col_end)
    first_col, end_col = plan.cols.seen(cols[0])[0], plan.cols.seen(cols[-1])[1]

    def read_rows(first: int, end: int) -> Strip:
        window = Window(first, first_col, end - first, end_col - first_col)
        pixels, valid = scene.read(window, bands)
        written = valid[:, left.col_off - first_col : left.col_end - first_col]
        return Strip(first, first_col, pixels, valid, _wanted(written, first, left, region))

    return iter_pieces(read_rows, plan.rows.seen(rows[0])[0], plan.rows.seen(rows[-1])[1], _piece_height(scene))


def iter_pieces(read_rows: ReadRows, first: int, end: int, step: int) -> Iterator[Strip]:
    """Read rows piece by piece; pieces end at multiples of `step`, so that no block of that height is decoded twice."""
    while first < end:
        piece_end = min(end, first // step * step + step)
        yield read_rows(first, piece_end)
        first = piece_end


def pieces_of_stride(plan: Plan) -> int:
    """How many pieces a row of windows needs beyond the rows that it shares with the one before."""
    return -(-plan.rows.stride // _ROWS)


def _wanted(valid: Valid, first: int, left: Window, region: Region | None) -> Valid:
    if region is None:
        return valid
    here = Window(first, left.col_off, *valid.shape).intersection(left)
    wanted = np.zeros_like(valid)
    if here.height:
        rows = slice(here.row_off - first, here.row_end - first)
        inside = region.inside(here)
        wanted[rows] = valid[rows] if inside is None else valid[rows] & inside
    return wanted


def _piece_height(scene: Source) -> int:
    block_height, _ = scene.block_shape
    return _ROWS if block_height > _TALLEST_BLOCK else -(-_ROWS // block_height) * block_height

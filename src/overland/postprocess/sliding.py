"""Neighbourhoods combined with an associative function: runs, squares and disks, in log2(size) steps a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["over_disk", "over_run", "over_square"]

Values = npt.NDArray[Any]


def over_run(combine: np.ufunc, values: Values, size: int, axis: int) -> Values:
    """Combine each run of `size` neighbours along an axis; the result is `size - 1` shorter there.

    Runs of 1, 2, 4, ... are made by doubling and put together as the binary digits of `size` say, so each value
    counts once.
    """
    length = values.shape[axis] - size + 1
    result: Values | None = None
    block, width, start = values, 1, 0
    while width <= size:
        if size & width:
            piece = _cut(block, start, length, axis)
            result = piece if result is None else combine(result, piece)
            start += width
        width *= 2
        if width <= size:
            kept = values.shape[axis] - width + 1
            block = combine(_cut(block, 0, kept, axis), _cut(block, width // 2, kept, axis))
    assert result is not None
    return result


def over_square(combine: np.ufunc, values: Values, size: int) -> Values:
    """Combine each square of `size` x `size`; the result is `size - 1` shorter along both axes."""
    return over_run(combine, over_run(combine, values, size, axis=1), size, axis=0)


def over_disk(combine: np.ufunc, values: Values, size: int) -> Values:
    """Combine each disk of `size` pixels across (odd); the result is `size - 1` shorter along both axes.

    A pixel belongs to the disk when its centre is at most `size / 2` from the disk's: 3 gives the whole square.
    """
    radius = size // 2
    height, width = (side - size + 1 for side in values.shape)
    runs: dict[int, Values] = {}
    result: Values | None = None
    for row in range(size):
        half = math.isqrt((size**2 - 4 * (row - radius) ** 2) // 4)
        if half not in runs:
            runs[half] = over_run(combine, values, 2 * half + 1, axis=1)
        piece = runs[half][row : row + height, radius - half : radius - half + width]
        result = piece if result is None else combine(result, piece)
    assert result is not None
    return result


def _cut(values: Values, start: int, length: int, axis: int) -> Values:
    return values[start : start + length] if axis == 0 else values[:, start : start + length]

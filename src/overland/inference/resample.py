"""Resampling: the same ground in pixels of another size. Pure; no scene, no model.

Fewer pixels are means over the ground that each covers, as a coarser sensor sees it; more are interpolated linearly.
A pixel depends on nothing but those below it, whatever the window that it is computed in: no seams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.raster import Window

__all__ = ["AxisResampling", "Resampling", "resample"]

Values = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]

_FULL_COVER = 0.99999


@dataclass(frozen=True)
class AxisResampling:
    """One axis of `length` pixels that becomes one of `size` pixels over the same ground.

    Borders are counted in whole units of 1 / (length * size), so that nothing depends on rounding.
    """

    length: int
    size: int

    @property
    def reversed(self) -> AxisResampling:
        """The way back."""
        return AxisResampling(self.size, self.length)

    def covering(self, first: int, end: int) -> tuple[int, int]:
        """First pixel and end of those that a range of the old ones touches."""
        return first * self.size // self.length, min(self.size, -(-end * self.size // self.length))

    def needed(self, first: int, end: int) -> tuple[int, int]:
        """First old pixel and end of those that a range of the new ones is made of."""
        if self.length >= self.size:
            return first * self.length // self.size, -(-end * self.length // self.size)
        low, _ = divmod((2 * first + 1) * self.length - self.size, 2 * self.size)
        high, _ = divmod((2 * end - 1) * self.length - self.size, 2 * self.size)
        return max(0, low), min(self.length, high + 2)

    def taps(self, first: int, end: int) -> tuple[npt.NDArray[np.intp], Values]:
        """Old pixels and their weights (both taps x new pixels) of a range of the new ones; weights add up to 1."""
        new = np.arange(first, end)
        if self.length >= self.size:
            low = new * self.length // self.size
            old = low + np.arange(-(-self.length // self.size) + 1)[:, None]
            shared = np.minimum((old + 1) * self.size, (new + 1) * self.length)
            shared -= np.maximum(old * self.size, new * self.length)
            weights = np.maximum(shared, 0) / self.length
        else:
            low, beyond = np.divmod((2 * new + 1) * self.length - self.size, 2 * self.size)
            old = np.stack([low, low + 1])
            weights = np.stack([1 - beyond / (2 * self.size), beyond / (2 * self.size)])
        return np.clip(old, 0, self.length - 1), weights.astype(np.float32)


@dataclass(frozen=True)
class Resampling:
    """Both axes of a raster."""

    rows: AxisResampling
    cols: AxisResampling

    @property
    def reversed(self) -> Resampling:
        """The way back."""
        return Resampling(self.rows.reversed, self.cols.reversed)

    @property
    def bounds(self) -> Window:
        """The window of the whole new raster."""
        return Window(0, 0, self.rows.size, self.cols.size)

    def covering(self, window: Window) -> Window:
        """The new pixels that a window of the old ones touches."""
        return _window(self.rows.covering(window.row_off, window.row_end), self.cols.covering(*_cols(window)))

    def needed(self, window: Window) -> Window:
        """The old pixels that a window of the new ones is made of."""
        return _window(self.rows.needed(window.row_off, window.row_end), self.cols.needed(*_cols(window)))


def resample(
    resampling: Resampling, window: Window, values: npt.NDArray[Any], valid: Valid, seen: Window
) -> tuple[Values, Valid]:
    """Make a window of new pixels from old ones.

    `values` (bands, rows, cols) and `valid` (rows, cols) are the old pixels of the window `seen`, which holds
    `resampling.needed(window)`. Where some of the old pixels hold no data the others count more. Returns float32
    (bands, height, width), and which pixels have data below them (height, width).
    """
    rows, row_weights = resampling.rows.taps(window.row_off, window.row_end)
    cols, col_weights = resampling.cols.taps(*_cols(window))
    # A tap beyond what is needed has no weight.
    rows = np.clip(rows - seen.row_off, 0, seen.height - 1)
    cols = np.clip(cols - seen.col_off, 0, seen.width - 1)

    def made(array: Values) -> Values:
        return _taken(_taken(array, -2, rows, row_weights[:, :, None]), -1, cols, col_weights)

    if valid.all():
        return made(values.astype(np.float32)), np.ones((window.height, window.width), bool)
    total = made(np.where(valid, values, 0).astype(np.float32))
    cover = made(valid.astype(np.float32))
    # Where all is covered nothing is divided: such a pixel is the same whether or not its neighbours are.
    np.divide(total, cover, out=total, where=(cover > 0) & (cover < _FULL_COVER))
    return total, cover > 0


def _taken(array: Values, axis: int, indices: npt.NDArray[np.intp], weights: Values) -> Values:
    total: Values = np.take(array, indices[0], axis) * weights[0]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        part = np.take(array, index, axis)
        part *= weight
        total += part
    return total


def _window(rows: tuple[int, int], cols: tuple[int, int]) -> Window:
    return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])


def _cols(window: Window) -> tuple[int, int]:
    return window.col_off, window.col_end

"""A scene as if its pixels were of another size, read and resampled as it streams by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from overland.inference.resample import Resampling, resample
from overland.raster import Grid, Scene, Window

__all__ = ["KeptValid", "ResampledScene"]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]

# At most so many rows, old or new, are resampled at a time; in floats they take four times what they do as bytes.
_ROWS = 512


@dataclass(frozen=True)
class ResampledScene:
    """An open scene with the same ground in other pixels; of the type that the file has, rounded.

    `on_read` is told which pixels of the scene itself hold data, as it is read: their window, and (height, width).
    """

    scene: Scene
    resampling: Resampling
    on_read: Callable[[Window, Valid], None] | None = None

    @property
    def grid(self) -> Grid:
        """The grid of the new pixels."""
        old, new = self.scene.grid, self.resampling.bounds
        a, b, c, d, e, f = old.transform[:6]
        across, down = old.width / new.width, old.height / new.height
        return Grid(new.height, new.width, Affine(a * across, b * down, c, d * across, e * down, f), old.crs)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the new pixels that the file's blocks make about."""
        (height, width), axes = self.scene.block_shape, self.resampling
        rows, cols = axes.rows, axes.cols
        return max(1, height * rows.size // rows.length), max(1, width * cols.size // cols.length)

    def read(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        """Read new pixels (bands, height, width), and which of them have data below them (height, width)."""
        rows = self.resampling.rows
        step = max(1, min(_ROWS, _ROWS * rows.size // rows.length))
        starts = [window.row_off, *range((window.row_off // step + 1) * step, window.row_end, step)]
        parts = [
            self._read_part(Window(first, window.col_off, end - first, window.width), bands)
            for first, end in zip(starts, [*starts[1:], window.row_end], strict=True)
        ]
        pixels, valid = zip(*parts, strict=True)
        return np.concatenate(pixels, axis=1), np.concatenate(valid)

    def _read_part(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        seen = self.resampling.needed(window)
        pixels, valid = self.scene.read(seen, bands)
        if self.on_read is not None:
            self.on_read(seen, valid)
        values, covered = resample(self.resampling, window, pixels, valid, seen)
        if pixels.dtype.kind in "ui":
            np.rint(values, out=values)
        return values.astype(pixels.dtype), covered


class KeptValid:
    """Which pixels of a part of a scene hold data, a bit each, from when they are read until their rows are written."""

    def __init__(self, part: Window) -> None:
        self._part = part
        self._rows: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def keep(self, window: Window, valid: Valid) -> None:
        """Take note of a window (height, width) that spans the part's columns."""
        first = self._part.col_off - window.col_off
        packed = np.packbits(valid[:, first : first + self._part.width], axis=1)
        with self._lock:
            self._rows.update(zip(range(window.row_off, window.row_end), packed, strict=True))

    def take(self, first: int, end: int) -> Valid:
        """Rows of the scene from a first one up to an end (rows, width); they and those above are forgotten."""
        with self._lock:
            packed = np.stack([self._rows[row] for row in range(first, end)])
            for row in [row for row in self._rows if row < end]:
                del self._rows[row]
        return np.unpackbits(packed, axis=1, count=self._part.width).astype(bool)

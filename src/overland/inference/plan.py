"""The window plan: which chips cover a raster and how much each counts where they overlap. Pure, no pixels, no model.

Rows and columns are planned alike and apart. Along one axis, window i owns the core [i * stride, (i + 1) * stride) and
sees `halo` pixels more on both sides, beyond the raster too. Its weight is 1 in the core, falls to 0 in a ramp over
the border to its neighbour, and is 0 in the outer half of the halo, where a network sees its own zero padding:

        0 . . 0 / 1 . . . . 1 \\ 0 . . 0            window i
                     0 . . 0 / 1 . . . . 1 \\ 0 . . 0     window i + 1

The weights of all windows add up to 1 at every pixel of the raster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError

__all__ = ["DEFAULT_CHIP_SIZE", "Axis", "Plan", "plan_axis", "plan_windows", "round_up"]

# At a halo of 32 this costs 1.11 model pixels for each pixel of a large raster; 512 would cost 1.31.
DEFAULT_CHIP_SIZE = 1536


@dataclass(frozen=True)
class Axis:
    """The windows along one axis: pixels of the raster, number of windows, side of a chip and its halo."""

    length: int
    count: int
    chip: int
    halo: int

    @property
    def stride(self) -> int:
        """Pixels from one window to the next."""
        return self.chip - 2 * self.halo

    @property
    def ramp(self) -> int:
        """Half the width of the ramp from one window to the next."""
        return self.halo // 2

    def start(self, index: int) -> int:
        """First pixel that the chip sees; negative where it reaches beyond the raster."""
        return index * self.stride - self.halo

    def seen(self, index: int) -> tuple[int, int]:
        """First pixel and end of the part of the raster that the chip sees."""
        return max(0, self.start(index)), min(self.length, self.start(index) + self.chip)

    def span(self, index: int) -> tuple[int, int]:
        """First pixel and end of the part of the raster on which the window has weight."""
        first = 0 if index == 0 else index * self.stride - self.ramp
        end = self.length if index == self.count - 1 else (index + 1) * self.stride + self.ramp
        return max(0, first), min(self.length, end)

    def core_length(self, index: int) -> int:
        """Number of pixels that the window owns; over all windows they add up to the length."""
        return min(self.length, (index + 1) * self.stride) - index * self.stride

    def weights(self, index: int) -> npt.NDArray[np.float32]:
        """Weight of each pixel of the span."""
        first, end = self.span(index)
        centres = np.arange(first, end) + 0.5
        # A difference of two steps: summed over the windows all but the outermost cancel, and those are 1 and 0.
        weights = np.ones(end - first)
        if index > 0:
            weights = self._step(centres - index * self.stride)
        if index < self.count - 1:
            weights -= self._step(centres - (index + 1) * self.stride)
        return weights.astype(np.float32)

    def _step(self, distance: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        if self.ramp == 0:
            return (distance > 0).astype(np.float64)
        return np.sin(np.pi / 4 * (1 + np.clip(distance / self.ramp, -1, 1))) ** 2


@dataclass(frozen=True)
class Plan:
    """The windows of a raster: every row of windows crossed with every column."""

    rows: Axis
    cols: Axis

    @property
    def windows(self) -> int:
        """Number of windows."""
        return self.rows.count * self.cols.count

    @property
    def megapixels(self) -> float:
        """Size of the raster in millions of pixels."""
        return self.rows.length * self.cols.length / 1e6

    @property
    def redundancy(self) -> float:
        """Pixels that the model computes for each pixel of the raster."""
        return self.windows * self.rows.chip * self.cols.chip / (self.rows.length * self.cols.length)

    def core_megapixels(self, row: int, col: int) -> float:
        """What a window adds to the progress, in millions of pixels."""
        return self.rows.core_length(row) * self.cols.core_length(col) / 1e6

    def buffer_bytes(self, pixel_bytes: int, num_scores: int) -> int:
        """Memory of the rows in flight: two strips of pixels (one read ahead) and two of float32 scores."""
        in_flight = 2 * self.rows.chip * (pixel_bytes + 1 + 4 * num_scores)
        return in_flight * self.cols.length


def plan_windows(height: int, width: int, *, chip_size: int, halo: int, divisor: int) -> Plan:
    """Plan the fewest windows of at most `chip_size` (rounded up to the divisor), then shrink them to what is needed.

    All windows of a raster have one shape. Raises `UsageError` when a chip is all halo.
    """
    if chip_size < 1 or halo < 0:
        raise UsageError(
            f"A chip size of {chip_size} with a halo of {halo} pixels makes no sense; give positive numbers."
        )
    largest = round_up(chip_size, divisor)
    if largest <= 2 * halo:
        raise UsageError(
            f"A chip of {largest} pixels has nothing left inside a halo of {halo} on each side. "
            f"Try --chip-size {round_up(4 * halo, divisor)}, or a smaller --overlap."
        )
    return Plan(plan_axis(height, largest, halo, divisor), plan_axis(width, largest, halo, divisor))


def plan_axis(length: int, chip: int, halo: int, divisor: int) -> Axis:
    """Plan one axis: as few chips as cover it, all as small as that number of them allows."""
    count = math.ceil(length / (chip - 2 * halo))
    return Axis(length, count, round_up(math.ceil(length / count) + 2 * halo, divisor), halo)


def round_up(value: int, divisor: int) -> int:
    """The smallest multiple of the divisor that is not below the value."""
    return -(-value // divisor) * divisor

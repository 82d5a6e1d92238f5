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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError
from overland.raster import Window

__all__ = ["DEFAULT_CHIP_SIZE", "Axis", "Plan", "even_halo", "plan_axis", "plan_windows", "round_up"]

# At a halo of 32 this costs 1.11 model pixels for each pixel of a large raster; 512 would cost 1.31.
DEFAULT_CHIP_SIZE = 1536
_WORTH_IT = 0.95


@dataclass(frozen=True)
class Axis:
    """The windows along one axis: pixels of the raster, number of windows, side of a chip and its halo.

    `offset` moves all windows up or left by so many pixels, less than a stride.
    """

    length: int
    count: int
    chip: int
    halo: int
    offset: int = 0

    @property
    def stride(self) -> int:
        """Pixels from one window to the next."""
        return self.chip - 2 * self.halo

    @property
    def ramp(self) -> int:
        """Half the width of the ramp from one window to the next."""
        return self.halo // 2

    def core(self, index: int) -> tuple[int, int]:
        """First pixel and end of what the window owns; over all windows that is the raster, once."""
        first = self._border(index)
        return max(0, first), min(self.length, first + self.stride)

    def start(self, index: int) -> int:
        """First pixel that the chip sees; negative where it reaches beyond the raster."""
        return self._border(index) - self.halo

    def seen(self, index: int) -> tuple[int, int]:
        """First pixel and end of the part of the raster that the chip sees."""
        return max(0, self.start(index)), min(self.length, self.start(index) + self.chip)

    def span(self, index: int) -> tuple[int, int]:
        """First pixel and end of the part of the raster on which the window has weight."""
        first = 0 if index == 0 else self._border(index) - self.ramp
        end = self.length if index == self.count - 1 else self._border(index + 1) + self.ramp
        return max(0, first), min(self.length, end)

    def alone(self, index: int) -> tuple[int, int]:
        """First pixel and end of the part on which no other window has weight; empty when end <= first."""
        first = 0 if index == 0 else self._border(index) + self.ramp
        end = self.length if index == self.count - 1 else self._border(index + 1) - self.ramp
        return max(0, first), min(self.length, end)

    def touching(self, first: int, end: int) -> range:
        """The windows with weight on any pixel from `first` up to `end`."""
        lowest = (first + self.offset - self.ramp) // self.stride
        highest = -(-(end + self.offset + self.ramp) // self.stride)
        return range(max(0, min(lowest, self.count - 1)), min(self.count, highest))

    def weights(self, index: int) -> npt.NDArray[np.float32]:
        """Weight of each pixel of the span."""
        first, end = self.span(index)
        centres = np.arange(first, end) + 0.5
        # A difference of two steps: summed over the windows all but the outermost cancel, and those are 1 and 0.
        weights = np.ones(end - first)
        if index > 0:
            weights = self._step(centres - self._border(index))
        if index < self.count - 1:
            weights -= self._step(centres - self._border(index + 1))
        return weights.astype(np.float32)

    def _border(self, index: int) -> int:
        return index * self.stride - self.offset

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

    def windows_touching(self, window: Window) -> int:
        """Number of windows with weight on a part of the raster."""
        rows = self.rows.touching(window.row_off, window.row_end)
        return len(rows) * len(self.cols.touching(window.col_off, window.col_end))


def plan_windows(
    height: int,
    width: int,
    *,
    chip_size: int,
    halo: int,
    divisor: int,
    streams: int = 1,
    offset: tuple[int, int] = (0, 0),
) -> Plan:
    """Plan the fewest windows of at most `chip_size` (rounded up to the divisor), then shrink them to what is needed.

    All windows of a raster have one shape. The halo is rounded up so that windows follow each other at multiples of
    the divisor: a network that halves its pixels then halves the same ones in each of them, as in one large window.
    Where `streams` windows are computed at once, more and smaller ones are taken if the last are done 5 % sooner:
    nine windows keep two streams busy as long as ten do. `offset` (rows, columns) moves the windows up and left by less
    than a stride; what they give should not change (the seam test). Raises `UsageError` when a chip is all halo, and
    for sizes that make no sense.
    """
    largest, halo = _checked(chip_size, halo, divisor)
    fewest = [math.ceil(length / (largest - 2 * halo)) for length in (height, width)]
    plans = [
        Plan(plan_axis(height, fewest[0] + rows, halo, divisor), plan_axis(width, fewest[1] + cols, halo, divisor))
        for rows in range(streams)
        for cols in range(streams)
    ]
    soonest = min(plans, key=lambda plan: (_duration(plan, streams), plan.windows))
    chosen = soonest if _duration(soonest, streams) < _WORTH_IT * _duration(plans[0], streams) else plans[0]
    return Plan(_moved(chosen.rows, offset[0]), _moved(chosen.cols, offset[1]))


def plan_axis(length: int, count: int, halo: int, divisor: int) -> Axis:
    """Plan one axis with chips as small as `count` of them allow; rounded up, fewer of them may do."""
    chip = round_up(math.ceil(length / count) + 2 * halo, divisor)
    return Axis(length, math.ceil(length / (chip - 2 * halo)), chip, halo)


def even_halo(halo: int, divisor: int) -> int:
    """The smallest halo, not below this one, of which two are a multiple of the divisor."""
    return round_up(halo, divisor // math.gcd(2, divisor))


def round_up(value: int, divisor: int) -> int:
    """The smallest multiple of the divisor that is not below the value."""
    return -(-value // divisor) * divisor


def _checked(chip_size: int, halo: int, divisor: int) -> tuple[int, int]:
    if chip_size < 1 or halo < 0:
        raise UsageError(
            f"A chip size of {chip_size} with a halo of {halo} pixels makes no sense; give positive numbers."
        )
    largest, halo = round_up(chip_size, divisor), even_halo(halo, divisor)
    if largest <= 2 * halo:
        raise UsageError(
            f"A chip of {largest} pixels has nothing left inside a halo of {halo} on each side. "
            f"Try --chip-size {round_up(4 * halo, divisor)}, or a smaller --overlap."
        )
    return largest, halo


def _duration(plan: Plan, streams: int) -> int:
    return math.ceil(plan.windows / streams) * plan.rows.chip * plan.cols.chip


def _moved(axis: Axis, pixels: int) -> Axis:
    if not 0 <= pixels < axis.stride:
        raise UsageError(f"An offset of {pixels} pixels is not within 0 and the stride of {axis.stride} pixels.")
    return replace(axis, count=math.ceil((axis.length + pixels) / axis.stride), offset=pixels)

"""The window plan: which windows cover a raster, and how much each counts where they overlap. No pixels, no model.

Rows and columns are planned alike and apart. Along one axis, window i owns the core [i * stride, (i + 1) * stride) and
sees `halo` pixels more on both sides, beyond the raster too (there the raster is reflected). Its weight is 1 in the
core, falls to 0 in a ramp over the border to its neighbour, and is 0 in the outer half of the halo, where a network
sees its own zero padding:

        0 . . 0 / 1 . . . . 1 \\ 0 . . 0            window i
                     0 . . 0 / 1 . . . . 1 \\ 0 . . 0     window i + 1

The weights of all windows add up to 1 at every pixel of the raster. The ramp is a squared sine, which is smooth at both
ends (a Hann window's flank; R. B. Blackman and J. W. Tukey, "The measurement of power spectra", 1958).

A plan depends on the raster's size, the window's size, the halo and the divisor alone: the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError
from overland.geo.grid import Window

__all__ = ["Axis", "Plan", "even_halo", "plan_axis", "plan_windows", "round_up"]


@dataclass(frozen=True)
class Axis:
    """The windows along one axis.

    All positions are pixels of the raster, counted from its first one; an end is the pixel after the last.

    Attributes:
        length: Pixels of the raster along the axis.
        count: Number of windows.
        chip: Side of a window in pixels, halos included.
        halo: Pixels at both ends of a window that it sees but does not own.
        offset: Pixels by which all windows are moved up or left, less than a stride.
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
        """Half the width of the ramp from one window to the next, in pixels.

        Half the halo: the outer half of the halo, which depends on the zeros that a network pads with, has no weight.
        """
        return self.halo // 2

    def core(self, index: int) -> tuple[int, int]:
        """Find the part of the raster that a window owns.

        Args:
            index: Number of the window, from 0.

        Returns:
            First pixel and end. Over all windows that is the raster, once.
        """
        first = self._border(index)
        return max(0, first), min(self.length, first + self.stride)

    def start(self, index: int) -> int:
        """Find the first pixel that a window sees.

        Args:
            index: Number of the window, from 0.

        Returns:
            The pixel; negative where the window reaches beyond the raster.
        """
        return self._border(index) - self.halo

    def seen(self, index: int) -> tuple[int, int]:
        """Find the part of the raster that a window sees.

        Args:
            index: Number of the window, from 0.

        Returns:
            First pixel and end, within the raster.
        """
        return max(0, self.start(index)), min(self.length, self.start(index) + self.chip)

    def span(self, index: int) -> tuple[int, int]:
        """Find the part of the raster on which a window has weight.

        Args:
            index: Number of the window, from 0.

        Returns:
            First pixel and end.
        """
        first = 0 if index == 0 else self._border(index) - self.ramp
        end = self.length if index == self.count - 1 else self._border(index + 1) + self.ramp
        return max(0, first), min(self.length, end)

    def alone(self, index: int) -> tuple[int, int]:
        """Find the part of the raster on which a window has weight and no other has.

        Args:
            index: Number of the window, from 0.

        Returns:
            First pixel and end; empty when end <= first.
        """
        first = 0 if index == 0 else self._border(index) + self.ramp
        end = self.length if index == self.count - 1 else self._border(index + 1) - self.ramp
        return max(0, first), min(self.length, end)

    def touching(self, first: int, end: int) -> range:
        """Find the windows that have weight on any pixel of a range.

        Args:
            first: First pixel of the range.
            end: Its end.

        Returns:
            The numbers of the windows.
        """
        lowest = (first + self.offset - self.ramp) // self.stride
        highest = -(-(end + self.offset + self.ramp) // self.stride)
        return range(max(0, min(lowest, self.count - 1)), min(self.count, highest))

    def weights(self, index: int) -> npt.NDArray[np.float32]:
        """Compute the weight of a window at each pixel of its span.

        Args:
            index: Number of the window, from 0.

        Returns:
            Weights (span,) from 0 to 1.
        """
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

    def _step(self, distance: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        if self.ramp == 0:
            return (distance > 0).astype(np.float64)
        return np.asarray(np.sin(np.pi / 4 * (1 + np.clip(distance / self.ramp, -1, 1))) ** 2, np.float64)


@dataclass(frozen=True)
class Plan:
    """The windows of a raster: every row of windows crossed with every column.

    Attributes:
        rows: The windows from top to bottom.
        cols: The windows from left to right.
    """

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
    def overlap_overhead(self) -> float:
        """Pixels that the model computes for each pixel of the raster; 1 without any overlap."""
        return self.windows * self.rows.chip * self.cols.chip / (self.rows.length * self.cols.length)

    def windows_touching(self, window: Window) -> int:
        """Count the windows that have weight on a part of the raster.

        Args:
            window: The part, in pixels of the raster.

        Returns:
            Their number.
        """
        rows = self.rows.touching(window.row_off, window.row_end)
        return len(rows) * len(self.cols.touching(window.col_off, window.col_end))


def plan_windows(
    height: int, width: int, *, chip_size: int, halo: int, divisor: int, offset: tuple[int, int] = (0, 0)
) -> Plan:
    """Plan the fewest windows of at most a given size, then shrink them as far as they still cover all.

    All windows of a raster have one shape. The halo is rounded up so that windows follow each other at multiples of
    the divisor: a network that halves its pixels then halves the same ones in each of them, as in one large window.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        chip_size: Largest side of a window in pixels, halos included; rounded up to the divisor.
        halo: Pixels around a window's core that it sees but does not own.
        divisor: The number that the network needs every side to be a multiple of.
        offset: Rows and columns by which all windows are moved up and left, less than a stride. What they give should
            not change (the seam test).

    Returns:
        The plan.

    Raises:
        UsageError: A window is all halo, or a size makes no sense.
    """
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
    axes = []
    for length, pixels in zip((height, width), offset, strict=True):
        axis = plan_axis(length, math.ceil(length / (largest - 2 * halo)), halo, divisor)
        if not 0 <= pixels < axis.stride:
            raise UsageError(f"An offset of {pixels} pixels is not within 0 and the stride of {axis.stride} pixels.")
        axes.append(replace(axis, count=math.ceil((axis.length + pixels) / axis.stride), offset=pixels))
    return Plan(*axes)


def plan_axis(length: int, count: int, halo: int, divisor: int) -> Axis:
    """Plan one axis with windows as small as a number of them allows.

    Args:
        length: Pixels of the raster along the axis.
        count: Number of windows at most; their sides are rounded up, so that fewer may do.
        halo: Pixels at both ends of a window that it sees but does not own.
        divisor: The number that the side of a window is a multiple of.

    Returns:
        The axis.
    """
    chip = round_up(math.ceil(length / count) + 2 * halo, divisor)
    return Axis(length, math.ceil(length / (chip - 2 * halo)), chip, halo)


def even_halo(halo: int, divisor: int) -> int:
    """Round a halo up so that two of them are a multiple of the divisor.

    Args:
        halo: Pixels.
        divisor: The number that sides of windows are multiples of.

    Returns:
        The smallest such halo that is not below the given one.
    """
    return round_up(halo, divisor // math.gcd(2, divisor))


def round_up(value: int, divisor: int) -> int:
    """Round a whole number up to a multiple.

    Args:
        value: The number.
        divisor: The number that the result is a multiple of.

    Returns:
        The smallest multiple that is not below the value.
    """
    return -(-value // divisor) * divisor

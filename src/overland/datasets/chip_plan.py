"""Where the chips of an image lie: side by side or overlapping, and what happens at its edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from overland.errors import UsageError
from overland.raster.grid import Window

__all__ = ["PADS", "ChipRules", "Pad", "plan_chips"]

Pad = Literal["zero", "reflect", "none"]
PADS: tuple[Pad, ...] = ("zero", "reflect", "none")


@dataclass(frozen=True)
class ChipRules:
    """How chips are cut and which are kept.

    `chip_size` and `overlap` are pixels. `pad` says what fills a chip beyond the image's edge: zeros, the image
    mirrored, or nothing: the last chip of a row is then moved back inside. `min_foreground` is the least share of
    labelled pixels of a training chip that belong to a class other than the background. `drop_blank` leaves out chips
    of which half or more is nodata, black or white, or that hold one value. Raises `UsageError` for a size that makes
    no sense.
    """

    chip_size: int
    overlap: int = 0
    pad: Pad = "zero"
    min_foreground: float | None = None
    drop_blank: bool = False

    def __post_init__(self) -> None:
        if self.chip_size < 1:
            raise UsageError(f"chip_size is {self.chip_size}; a chip has at least 1 pixel a side, usually 256 or 512.")
        if not 0 <= self.overlap < self.chip_size:
            raise UsageError(
                f"overlap is {self.overlap} and chip_size {self.chip_size}; the overlap is 0 or more and smaller."
            )
        if self.pad not in PADS:
            raise UsageError(f"pad is {self.pad!r}; choose one of {', '.join(PADS)}.")
        if self.min_foreground is not None and not 0 <= self.min_foreground <= 1:
            raise UsageError(f"min_foreground is {self.min_foreground}; a share lies between 0 and 1, such as 0.01.")


def plan_chips(height: int, width: int, rules: ChipRules) -> list[list[Window]]:
    """The windows of an image's chips, row by row; they may reach beyond its lower and right edge.

    With pad "none" none does, and an image smaller than a chip is one chip of its own size.
    """
    rows, cols = (_spans(length, rules) for length in (height, width))
    return [[Window(top, left, tall, wide) for left, wide in cols] for top, tall in rows]


def _spans(length: int, rules: ChipRules) -> list[tuple[int, int]]:
    size, stride = rules.chip_size, rules.chip_size - rules.overlap
    count = max(1, -(-(length - rules.overlap) // stride))
    starts = [index * stride for index in range(count)]
    if rules.pad != "none":
        return [(start, size) for start in starts]
    last = max(0, length - size)
    return [(start, min(size, length)) for start in sorted({min(start, last) for start in starts})]

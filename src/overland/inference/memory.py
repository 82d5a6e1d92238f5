"""Memory: how much a plan takes, and the largest window that a budget allows. Pure; the machine's figures come in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from overland.inference.plan import Plan, even_halo, round_up

__all__ = ["LARGEST_CHIP", "MemoryCosts", "chip_size_for", "default_budget_mb", "planned_memory_mb"]

# A U-Net of 7.8 M parameters computes as many pixels a second in windows of 512 as of 2,560; larger ones save little
# halo (at 64 pixels 5 % are left to save here), and a run that is stopped waits for, or loses, the windows under way.
LARGEST_CHIP = 2560
# Of a network whose bundle does not tell: that U-Net takes 800 bytes, in small windows on ONNX Runtime up to 1,400.
_BYTES_PER_PIXEL = 1200.0
# Interpreter, libraries and weights.
_PROCESS_MB = 300.0
# Rows are read and handed out in lots of this many, so that up to one lot is held beyond a window's height.
_LOT = 512
_SHARE = 0.5
_UNKNOWN_MACHINE_MB = 4000.0


@dataclass(frozen=True)
class MemoryCosts:
    """What a run holds: bytes for each pixel of its windows and of its rows.

    `bytes_per_pixel` is the network's working memory for a pixel of a chip, None where it was not measured; `streams`
    windows are run at once. `pixel_bytes` are those of a stored pixel over all bands read, `bands` their number.
    `beside_bytes` are held whatever the windows, for resampling.
    """

    bytes_per_pixel: float | None
    streams: int
    bands: int
    pixel_bytes: int
    num_scores: int
    beside_bytes: float = 0.0

    @property
    def window(self) -> float:
        """Bytes for each pixel of a window, over all streams."""
        network = self.bytes_per_pixel or _BYTES_PER_PIXEL
        # The scaled chip belongs to a run, its logits are in the network's share; probabilities wait, one window more.
        return self.streams * (network + 4 * self.bands) + (self.streams + 1) * 4 * self.num_scores

    @property
    def row(self) -> float:
        """Bytes for each pixel of the rows that a row of windows sees: strips of pixels, and buffers of scores."""
        # Strips: in use, joined and read ahead. Scores: of this row of windows, and of the one before being written.
        return 3 * (self.pixel_bytes + 2) + 2 * 4 * self.num_scores


def chip_size_for(max_memory_mb: float, costs: MemoryCosts, *, width: int, halo: int, divisor: int) -> int:
    """The largest window, a multiple of the divisor, with which a run stays below so many MB.

    `width` is that of the part of the scene that is written: what is held of its rows grows with it and with the
    window's height. No window is larger than `LARGEST_CHIP`, where more gains nothing, unless the halo needs it, nor
    smaller than four halos: where even those do not fit, the run takes what it takes (`planned_memory_mb` tells).
    """
    row = costs.row * width
    budget = (max_memory_mb - _PROCESS_MB) * 1e6 - row * _LOT - costs.beside_bytes
    # costs.window * chip**2 + row * chip = budget, for the positive chip.
    half = row / (2 * costs.window)
    fits = math.sqrt(half**2 + max(0.0, budget) / costs.window) - half
    smallest = max(divisor, round_up(4 * even_halo(halo, divisor), divisor))
    return max(smallest, min(int(fits), LARGEST_CHIP) // divisor * divisor)


def planned_memory_mb(plan: Plan, costs: MemoryCosts, *, width: int | None = None) -> float:
    """Estimate the memory that a run with a plan takes at most, in MB; `width` is that of a region, if there is one."""
    width = plan.cols.length if width is None else width
    window = costs.window * plan.rows.chip * plan.cols.chip
    return _PROCESS_MB + (window + costs.row * width * (plan.rows.chip + _LOT) + costs.beside_bytes) / 1e6


def default_budget_mb(available_mb: float | None) -> float:
    """Half of the memory that is free, so that the machine stays usable; 2 GB where the system does not tell."""
    return _SHARE * (_UNKNOWN_MACHINE_MB if available_mb is None else available_mb)

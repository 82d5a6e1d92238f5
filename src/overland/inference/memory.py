"""Memory: how much a plan takes, and the largest window that a budget allows. Pure; the machine's figures come in."""

from __future__ import annotations

import logging
import math
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.inference.engines import open_engine
from overland.inference.machine import peak_memory_mb
from overland.inference.plan import Plan, even_halo, round_up

__all__ = [
    "LARGEST_CHIP",
    "MemoryCosts",
    "chip_size_for",
    "default_budget_mb",
    "measure_memory_per_pixel",
    "megabytes",
    "peak_of_run_mb",
    "planned_memory_mb",
]


# Footprint: the working memory of a network for each pixel of a chip.

logger = logging.getLogger("overland")

# The second is twice the first: ONNX Runtime takes memory in powers of two, which would blur any other slope.
_SIDES = (512, 1024)
_CHILD = (
    "import sys; from overland.inference.memory import peak_of_run_mb; "
    "sys.stdout.write(str(peak_of_run_mb(sys.argv[1], int(sys.argv[2]))))"
)
_CLEAR_PEAK = Path("/proc/self/clear_refs")


def measure_memory_per_pixel(bundle: ModelBundle) -> float | None:
    """Measure the memory that a bundle's network needs for each pixel of a chip, in bytes, on ONNX Runtime.

    Two processes run one chip each; their peaks of resident memory differ by what the larger chip takes more. None
    where the system does not tell a peak, and where the chips do not fit into memory.
    """
    sides = [round_up(side, bundle.size_divisor) for side in _SIDES]
    children = [_start(bundle, side) for side in sides]
    outputs = [child.communicate() for child in children]
    for child, (_, error) in zip(children, outputs, strict=True):
        if child.returncode != 0:
            reason = (error.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
            logger.warning("The network's memory was not measured: %s", reason)
            return None
    if any(output == "None" for output, _ in outputs):
        return None
    small, large = (float(output) * 1e6 for output, _ in outputs)
    return round(max(0.0, large - small) / (sides[1] ** 2 - sides[0] ** 2), 1)


def peak_of_run_mb(model: str, side: int) -> float | None:
    """Run one chip of `side` x `side` pixels in this process, and give the peak of its resident memory in MB."""
    bundle = load_bundle(model)
    engine = open_engine(bundle, "onnx", precision="fp32", streams=1)
    # Pages of zeros are not resident, so that the chip itself is not counted.
    chip = np.zeros((1, bundle.in_channels, side, side), np.float32)
    # Loading takes the weights twice, more than a run may; where the peak cannot be cleared it stays in both sizes.
    with suppress(OSError):
        _CLEAR_PEAK.write_text("5")
    engine.run(chip)
    return peak_memory_mb()


def _start(bundle: ModelBundle, side: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _CHILD, str(bundle.graph_path.parent), str(side)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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


# Amounts of memory as people write them.

_UNITS_MB = {"": 1.0, "KB": 1e-3, "MB": 1.0, "GB": 1e3, "TB": 1e6, "KIB": 1.024e-3, "MIB": 1.048576, "GIB": 1073.741824}


def megabytes(amount: str | float) -> float:
    """Megabytes of "4GB", "800 MB", "1.5GiB" or a plain number of megabytes. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([A-Za-z]*)", str(amount).strip())
    unit = _UNITS_MB.get(found[2].upper()) if found else None
    if found is None or unit is None or not float(found[1]) > 0:
        raise UsageError(f"{amount!r} is no amount of memory; write it as 4GB or 800MB.")
    return float(found[1]) * unit

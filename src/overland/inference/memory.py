"""Memory: the window that belongs to a model, the need of a run, and the number of windows that may run at once.

The size of the windows changes the map a little, so it depends on the model alone (`default_window`). The machine's
memory and processors decide only how many windows are computed at once (`workers_for`), which changes nothing.
"""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.errors import ResourceError, UsageError
from overland.inference.engines import open_engine
from overland.inference.machine import available_memory_mb, cpu_count, peak_memory_mb
from overland.inference.plan import Plan, even_halo, round_up

__all__ = [
    "LARGEST_WINDOW",
    "MemoryCosts",
    "default_budget_mb",
    "default_window",
    "measure_memory_per_pixel",
    "peak_of_run_mb",
    "planned_memory_mb",
    "window_for",
    "window_for_width",
    "workers_for",
]

logger = logging.getLogger(__name__)

# The second is twice the first: ONNX Runtime takes memory in powers of two, which would blur any other slope.
_SIDES = (512, 1024)
_CHILD = (
    "import sys; from overland.inference.memory import peak_of_run_mb; "
    "sys.stdout.write(str(peak_of_run_mb(sys.argv[1], int(sys.argv[2]))))"
)
_CLEAR_PEAK = Path("/proc/self/clear_refs")

# A U-Net of 7.8 M parameters computes as many pixels a second in windows of 512 as of 2,560; larger ones save little
# halo (at 64 pixels 3 % are left to save at 2,560), and a run that is stopped loses the windows under way.
LARGEST_WINDOW = 2048
# The network's memory for one window on ONNX Runtime; OpenVINO takes an eighth less. That U-Net takes 806 bytes a
# pixel: windows of 1,264 at most. At a halo of 64 four of 1,152 cover 2,048 x 2,048, in a process of less than 1.5 GB.
_WINDOW_BYTES = 1.3e9
# A window keeps four ninths of its pixels at least, however wide the halo is.
_SMALLEST_IN_HALOS = 6
# Of a network whose bundle does not tell: that U-Net takes 800 bytes, in small windows on ONNX Runtime up to 1,400.
_BYTES_PER_PIXEL = 1200.0
# Interpreter, libraries and weights.
_PROCESS_MB = 300.0
# Rows of very wide scenes: their buffers take no more than this, with smaller windows where need be. Like the window it
# depends on the model and the scene alone.
_ROWS_BYTES = 6e9
# Rows are read and handed out in blocks of this many, so that up to one block is held beyond a window's height.
_BLOCK_ROWS = 512
_FREE_FRACTION = 0.5
_UNKNOWN_MACHINE_MB = 4000.0
# By default a run takes no more than this, though more is free: up to four processors share one window well.
_DEFAULT_MB, _DEFAULT_MB_PER_CPU = 1500.0, 375.0


def measure_memory_per_pixel(bundle: ModelBundle) -> float | None:
    """Measure the memory that a bundle's network needs for each pixel of a chip, on ONNX Runtime.

    Two processes run one chip each; their peaks of resident memory differ by what the larger chip takes more.

    Args:
        bundle: A bundle that is on disk.

    Returns:
        Bytes for each pixel; None where the system does not tell a peak, and where the chips do not fit into memory.
    """
    sides = [round_up(side, bundle.size_divisor) for side in _SIDES]
    command = [sys.executable, "-c", _CHILD, str(bundle.graph_path.parent)]
    children = [
        subprocess.Popen([*command, str(side)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for side in sides
    ]
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
    """Run one chip in this process, and report the peak of its memory.

    Args:
        model: Folder of a bundle.
        side: Side of the chip in pixels.

    Returns:
        Largest resident memory in MB; None where the system does not tell.
    """
    bundle = load_bundle(model)
    engine = open_engine(bundle, "onnx", precision="fp32", workers=1)
    # Pages of zeros are not resident, so that the chip itself is not counted.
    chip = np.zeros((1, bundle.in_channels, side, side), np.float32)
    # Loading takes the weights twice, more than a run may; where the peak cannot be cleared it stays in both sizes.
    with suppress(OSError):
        _CLEAR_PEAK.write_text("5")
    engine.run(chip)
    return peak_memory_mb()


def window_for(bytes_per_pixel: float | None, *, halo: int, divisor: int) -> int:
    """Choose the largest window of a model: as large as 1.3 GB of a network's memory allow, at least six halos.

    Args:
        bytes_per_pixel: The network's memory for each pixel of a window; None where it was not measured.
        halo: Pixels around a window's core that are computed for context alone.
        divisor: The number that the side is a multiple of.

    Returns:
        Side of the window in pixels, at most `LARGEST_WINDOW` unless the halo needs more.
    """
    side = math.isqrt(int(_WINDOW_BYTES / max(1.0, bytes_per_pixel or _BYTES_PER_PIXEL)))
    smallest = max(divisor, round_up(_SMALLEST_IN_HALOS * even_halo(halo, divisor), divisor))
    return max(smallest, min(side, LARGEST_WINDOW) // divisor * divisor)


def default_window(bundle: ModelBundle, *, halo: int | None = None, divisor: int | None = None) -> int:
    """Give the largest window that belongs to a model: the one in its bundle, else the one that `window_for` chooses.

    Args:
        bundle: The model.
        halo: The halo to plan with; the model's own by default.
        divisor: The number that the side is a multiple of; the model's own by default.

    Returns:
        Side of the window in pixels. It depends on nothing but the arguments, so that every machine makes one map.
    """
    halo = bundle.halo if halo is None else halo
    divisor = bundle.size_divisor if divisor is None else divisor
    if bundle.window is None:
        return window_for(bundle.bytes_per_pixel, halo=halo, divisor=divisor)
    # A wider halo of another model, or one that was asked for, may need more.
    return round_up(max(bundle.window, 4 * even_halo(halo, divisor)), divisor)


@dataclass(frozen=True)
class MemoryCosts:
    """Bytes that a run holds for each pixel of its windows and of its rows.

    Attributes:
        bytes_per_pixel: The network's working memory for a pixel of a chip; None where it was not measured.
        bands: Number of bands read.
        pixel_bytes: Bytes of a stored pixel over all bands read.
        num_outputs: Number of probabilities for each pixel.
        fixed_bytes: Bytes that are held whatever the windows are, for resampling.
    """

    bytes_per_pixel: float | None
    bands: int
    pixel_bytes: int
    num_outputs: int
    fixed_bytes: float = 0.0

    @property
    def window(self) -> float:
        """Bytes for each pixel of a window that is computed."""
        network = _BYTES_PER_PIXEL if self.bytes_per_pixel is None else self.bytes_per_pixel
        # The scaled chip belongs to a run, its logits are in the network's part; then probabilities wait.
        return network + 4 * self.bands + 4 * self.num_outputs

    @property
    def row(self) -> float:
        """Bytes for each pixel of the rows that a row of windows sees: buffers of pixels and of probabilities."""
        # Pixels: in use, joined and prefetched. Probabilities: of this row of windows, and of the one being written.
        return 3 * (self.pixel_bytes + 2) + 2 * 4 * self.num_outputs


def window_for_width(window: int, costs: MemoryCosts, *, width: int, halo: int, divisor: int) -> int:
    """Shrink a window where the rows of a very wide scene would take too much memory.

    Args:
        window: The model's window, in pixels.
        costs: Bytes for each pixel.
        width: Width of the whole scene in the model's pixels.
        halo: Pixels around a window's core.
        divisor: The number that the side is a multiple of.

    Returns:
        Side of the window in pixels, such that the buffers of its rows take 6 GB at most, but four halos at least.
    """
    fits = int(_ROWS_BYTES / (costs.row * width)) - _BLOCK_ROWS
    smallest = round_up(max(divisor, 4 * even_halo(halo, divisor)), divisor)
    return min(window, max(smallest, fits // divisor * divisor))


def planned_memory_mb(plan: Plan, costs: MemoryCosts, *, width: int | None = None, workers: int = 1) -> float:
    """Estimate the memory that a run with a plan takes at most.

    Args:
        plan: The windows.
        costs: Bytes for each pixel.
        width: Width of the part that is written, in pixels; that of the whole plan by default.
        workers: Number of windows that are computed at once.

    Returns:
        Memory of the whole process in MB.
    """
    width = plan.cols.length if width is None else width
    pixels = plan.rows.chip * plan.cols.chip
    windows = (workers * costs.window + 4 * costs.num_outputs) * pixels
    return _PROCESS_MB + (windows + costs.row * width * (plan.rows.chip + _BLOCK_ROWS) + costs.fixed_bytes) / 1e6


def default_budget_mb(available_mb: float | None, cpus: int) -> float:
    """Choose the memory that a run may take where none was given.

    Args:
        available_mb: Memory that is free, in MB; None where the system does not tell.
        cpus: Number of processors.

    Returns:
        1,500 MB, and 375 MB for each processor where there are more than four; half of what is free at most.
    """
    free = _UNKNOWN_MACHINE_MB if available_mb is None else available_mb
    return min(_FREE_FRACTION * free, max(_DEFAULT_MB, _DEFAULT_MB_PER_CPU * cpus))


def workers_for(plan: Plan, costs: MemoryCosts, *, width: int | None = None, max_memory_mb: float | None = None) -> int:
    """Choose how many windows may be computed at once in the memory at hand.

    Args:
        plan: The windows.
        costs: Bytes for each pixel.
        width: Width of the part that is written, in pixels; that of the whole plan by default.
        max_memory_mb: Memory to stay below, in MB; by default `default_budget_mb` of this machine.

    Returns:
        The number of windows, 1 or more.

    Raises:
        UsageError: One window takes more than `max_memory_mb`.
        ResourceError: One window takes more than the memory that is free.
    """
    needed = planned_memory_mb(plan, costs, width=width)
    available = available_memory_mb()
    budget = default_budget_mb(available, cpu_count()) if max_memory_mb is None else max_memory_mb
    chip = f"A window of {plan.rows.chip} x {plan.cols.chip} pixels takes about {needed:,.0f} MB"
    advice = "Set a smaller --chip-size, such as 512; it changes the map a little"
    if max_memory_mb is not None and needed > max_memory_mb:
        raise UsageError(f"{chip}; --max-memory allows {max_memory_mb:,.0f} MB. {advice}. Or allow more memory.")
    if max_memory_mb is None and available is not None and needed > available:
        raise ResourceError(f"{chip}; {available:,.0f} MB of memory are free. {advice}.")
    more = costs.window * plan.rows.chip * plan.cols.chip / 1e6
    return max(1, 1 + int((budget - needed) / more))

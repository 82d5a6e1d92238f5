"""Footprint: the working memory of a network for each pixel of a chip."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.inference.engines import open_engine
from overland.inference.machine import peak_memory_mb
from overland.inference.plan import round_up

__all__ = ["measure_bytes_per_pixel", "peak_of_run_mb"]

logger = logging.getLogger("overland")

# The second is twice the first: ONNX Runtime takes memory in powers of two, which would blur any other slope.
_SIDES = (512, 1024)
_CHILD = (
    "import sys; from overland.inference.footprint import peak_of_run_mb; "
    "sys.stdout.write(str(peak_of_run_mb(sys.argv[1], int(sys.argv[2]))))"
)
_CLEAR_PEAK = Path("/proc/self/clear_refs")


def measure_bytes_per_pixel(bundle: ModelBundle) -> float | None:
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

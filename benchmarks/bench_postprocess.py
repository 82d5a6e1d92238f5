"""How long a noisy class map takes to be cleaned, step by step, and the most memory that a process of its own needs.

    python benchmarks/bench_postprocess.py [SIZE]

SIZE is the height and width in pixels (default 4096). The map has 7 classes with 5 % of its pixels wrong.
"""

from __future__ import annotations

import logging
import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from scipy.ndimage import gaussian_filter

from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster
from overland.workflows.postprocess import postprocess

CASES: list[dict[str, Any]] = [
    {"median": 3},
    {"majority": 5},
    {"open": 5},
    {"close": 5},
    {"preset": "morphological"},
    {"min_area_m2": 100},
    {"majority": 3, "open": 3, "close": 3, "remove_objects": 64, "fill_holes": 64, "sieve": 100},
]


def main() -> None:
    """Print one line for each case."""
    logging.getLogger("overland").setLevel("WARNING")
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.tif"
        write_noisy_map(mask, size)
        # A process for each case, so that its peak of memory is its own.
        with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for line in pool.imap(bench, [(mask, case) for case in CASES]):
                print(f"{size} x {size}: {line}", flush=True)


def bench(job: tuple[Path, dict[str, Any]]) -> str:
    """Clean the map with one case and say what that took."""
    mask, case = job
    started = time.process_time()
    found = postprocess(mask, mask.with_name("clean.tif"), overwrite=True, **case)
    cpu_s = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    regions = "" if found.regions is None else f", regions {found.regions.before:,} to {found.regions.after:,}"
    return f"{case}: {found.seconds:.1f} s ({cpu_s:.1f} s of one core), {peak_mb:.0f} MB{regions}"


def write_noisy_map(path: Path, size: int, chip: int = 1024) -> None:
    """Write chips of one made land cover, mirrored so that they join, with fresh noise in each."""
    rng = np.random.default_rng(0)
    fields = [gaussian_filter(rng.normal(size=(chip, chip)).astype(np.float32), 12) for _ in range(7)]
    land = np.argmax(fields, axis=0).astype(np.uint8)
    grid = Grid(height=size, width=size, transform=Affine(1, 0, 500_000, 0, -1, 5_200_000), crs="EPSG:32633")
    legend = legend_from_names([f"land {index}" for index in range(7)])
    with create_raster(path, grid, nodata=255, legend=legend) as writer:
        for row in range(0, size, chip):
            for col in range(0, size, chip):
                mask = land[:: 1 - 2 * (row // chip % 2), :: 1 - 2 * (col // chip % 2)][
                    : size - row, : size - col
                ].copy()
                wrong = rng.random(mask.shape) < 0.05
                mask[wrong] = rng.integers(0, 7, int(wrong.sum()))
                writer.write(mask, Window(col_off=col, row_off=row, width=mask.shape[1], height=mask.shape[0]))


if __name__ == "__main__":
    main()

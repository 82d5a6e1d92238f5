"""How long a plan takes, and how many model pixels it asks for: rasters up to 40,000 x 40,000, sparse, without a model.

    python benchmarks/bench_plan.py [--sides 10000 40000] [--json OUT]

Planned is what `overland predict` plans before it starts: the scene is opened and checked against the model, and the
windows that belong to the model are counted. Exits 1 when 40,000 x 40,000 takes 2 s or more,
or when 10,000 x 10,000 asks for more than 1.25 model pixels for each pixel.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import rasterio
from rasterio.transform import from_origin

from made import save_unet
from overland.inference.ensemble import load_models
from overland.inference.options import PredictOptions
from overland.inference.scene_plan import plan_outputs, plan_scene_runs
from results import Row, json_option, origin, publish

_LONGEST_S = 2.0
_LARGEST_OVERHEAD = 1.25
_DEFAULT_SIDES = [10_000, 40_000]


def main() -> None:
    """Plan each raster and compare with what is claimed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=_DEFAULT_SIDES)
    parser.add_argument("--quick", action="store_true", help="as without it: the plan takes no time worth saving")
    json_option(parser)
    options = parser.parse_args()
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_unet(folder / "model")
        rows = [plan_row(folder, side) for side in options.sides]
    publish(
        options.json,
        source,
        title="Planning",
        method="Opening a sparse raster of three bands of bytes, checking it against a model and planning the "
        "windows that belong to the model.",
        rows=rows,
    )
    fits = rows[0]["overlap_overhead"] <= _LARGEST_OVERHEAD and rows[-1]["seconds"] < _LONGEST_S
    sys.exit(options.sides == _DEFAULT_SIDES and not fits)


def plan_row(folder: Path, side: int) -> Row:
    """Plan a sparse raster of so many pixels each way."""
    scene = write_sparse(folder / f"{side}.tif", side)
    models = load_models(folder / "model")
    started = time.perf_counter()
    (run,) = plan_scene_runs(plan_outputs([scene], folder / "mask.tif"), models, PredictOptions())
    seconds = time.perf_counter() - started
    plan = run.plan
    return {
        "raster": f"{side:,} x {side:,}",
        "seconds": round(seconds, 4),
        "windows": plan.windows,
        "window": f"{plan.rows.chip} x {plan.cols.chip}",
        "overlap_overhead": round(plan.overlap_overhead, 4),
    }


def write_sparse(path: Path, side: int) -> Path:
    """A GeoTIFF whose blocks are all left out: they read as zeros and take no room on the disk."""
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 3, "dtype": "uint8", "tiled": True}
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_200_000, 1, 1)}
    with rasterio.open(path, "w", **profile, **place, blockxsize=512, blockysize=512, sparse_ok=True, bigtiff="YES"):
        return path


if __name__ == "__main__":
    main()

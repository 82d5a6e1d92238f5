"""How much of a prediction is not the network: wall time of `overland predict` over windows x time of the engine.

    python benchmarks/bench_overhead.py [--side 8192] [--engine auto] [--precision auto] [--json OUT]

The raster is a tiled, deflated GeoTIFF of three bands of bytes; the network is the U-Net of 7.8 M parameters with
random weights. The engine's time is the median over windows of the same shape that are cut and scaled beforehand, at
the engine's own number of streams, before the prediction and after it, each in a process of its own. Exits 1 when the
ratio is above 1.08 at the full size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_stages import stage_rows
from children import in_child, overland_json
from engine_time import engine_seconds
from made import save_unet, write_scene
from results import Row, json_option, markdown_table, origin, publish

_LARGEST_RATIO = 1.08
_SIDE, _QUICK_SIDE = 8192, 3072
_TIMES = ("seconds", "process_seconds", "processor_seconds")
_KEPT = ("windows", "megapixels", "overlap_overhead", "mpx_per_s", "peak_memory_mb", *_TIMES)


def main() -> None:
    """Measure engine, prediction, engine; print the ratio and what the stages cost."""
    options = _options()
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = (options.model or save_unet(folder / "model").path, write_scene(folder / "scene.tif", options.side))
        found = measured(options, *inputs, folder / "mask.tif")
        chip = tuple(found["predict"]["chip_size"])
        stages = in_child(stage_rows, *inputs, options.engine, options.precision, chip)
    add_core_seconds(stages, found["predict"])
    print(f"\nWhat the stages cost, each measured alone:\n\n{markdown_table(stages)}")
    row = overhead_row(found)
    publish(
        options.json,
        source,
        title="Overhead of a prediction",
        method="Wall time of `overland predict` divided by windows x the engine's own time for a window: once for what "
        "the command reports, which begins when the model is loaded, and once for the whole process. The third ratio "
        "is of processor time, which other work on the machine hardly changes.",
        rows=[row],
        stages=stages,
        **found,
    )
    sys.exit(row["ratio"] > _LARGEST_RATIO and options.side == _SIDE)


def measured(options: argparse.Namespace, model: Path, scene: Path, mask: Path) -> dict[str, Any]:
    """The prediction, and the engine's time before and after it."""
    words = ["predict", model, scene, mask, "--engine", options.engine, "--precision", options.precision]
    chip = tuple(overland_json(*words, "--dry-run")["scenes"][0]["chip_size"])
    engine = (model, scene, options.engine, options.precision, chip, options.calls)
    before = in_child(engine_seconds, *engine)
    # The same window, whatever memory is free by now: the raster is square, and windows shrink to what is needed.
    values = overland_json(*words, "--chip-size", chip[0])
    values = {key: values[key] for key in _KEPT} | {"chip_size": values["scenes"][0]["chip_size"]}
    return {"before": before, "predict": values, "after": in_child(engine_seconds, *engine)}


def overhead_row(found: dict[str, Any]) -> Row:
    """The ratio and what it is made of."""
    predict, before, after = found["predict"], found["before"], found["after"]
    engine_s, processor_s = (
        predict["windows"] * (before[key] + after[key]) / 2 for key in ("seconds", "processor_seconds")
    )
    return {
        "engine": f"{before['engine']} {before['precision']}, {before['workers']} streams",
        "windows": f"{predict['windows']} of {' x '.join(map(str, predict['chip_size']))}",
        "overlap_overhead": predict["overlap_overhead"],
        "engine s": round(engine_s, 2),
        "predict s": round(predict["seconds"], 2),
        "ratio": round(predict["seconds"] / engine_s, 3),
        "process s": round(predict["process_seconds"], 2),
        "process ratio": round(predict["process_seconds"] / engine_s, 3),
        "processor ratio": round(predict["processor_seconds"] / processor_s, 3),
        "drift of the engine": round(after["seconds"] / before["seconds"], 3),
        "Mpx/s": predict["mpx_per_s"],
    }


def add_core_seconds(stages: list[Row], predict: dict[str, Any]) -> None:
    """Add what each stage costs for the raster that was predicted."""
    model_megapixels = predict["megapixels"] * predict["overlap_overhead"]
    for stage in stages:
        megapixels = model_megapixels if stage["of"] == "windows" else predict["megapixels"]
        stage["core-seconds here"] = round(megapixels / stage["Mpx/s a core"], 2)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=_SIDE, help="height and width of the raster in pixels")
    parser.add_argument("--model", type=Path, help="another bundle, of three bands of bytes")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--calls", type=int, default=4, help="windows that each stream computes to time the engine")
    parser.add_argument("--quick", action="store_true", help=f"a side of {_QUICK_SIDE} pixels, for a look")
    json_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.side, options.calls = _QUICK_SIDE, 2
    return options


if __name__ == "__main__":
    main()

"""Side by side: one network, one raster, predicted by Overland, by geoai and with TorchGeo's parts.

    python benchmarks/bench_peers.py --peer-python geoai=ENV/bin/python torchgeo=ENV/bin/python
        [--flips MODEL SCENE] [--side 4096] [--rounds 3] [--json OUT]

Each tool has an environment of its own (`pip install geoai-py`, `pip install torchgeo requests`) and runs in a process
of its own, one after the other, round after round; a peer whose python is not given is left out and says so. The
network is the U-Net of 7.8 M parameters: the peers run the same PyTorch module with the same weights. Seconds are those
from the loaded network to the class map on the disk.

With --flips a trained MODEL maps a SCENE twice, whole and without its first rows and columns, which moves the grid of
windows: labels that differ between the two, away from the border that was cut, betray the windows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from children import overland_json, run_json
from made import save_unet, write_scene
from overland.bundle import load_bundle
from overland.raster import open_scene, read_image
from overland.workflows.quantize import quantize
from results import ROOT, Row, json_option, origin, publish

_PEERS = ROOT / "benchmarks" / "peers"
_WINDOW = 512
# Of every peer's stride, and no multiple of one.
_MOVED = _WINDOW // 4
# Wider than the context that a network of this depth loses at the border that was cut.
_MARGIN = 256

Tool = tuple[str, list[str]]
"""A row of the table and the words of its command, to which model, scene and output are added."""


def main() -> None:
    """Measure throughput and memory in turns, then flips."""
    options = _options()
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, scene = save_unet(folder / "model").path, write_scene(folder / "scene.tif", options.side)
        assert model is not None
        models = {"fp32": model, "int8": _quantised(model, scene, folder / "int8")}
        tools = tools_of(options.peer_python, options.engine)
        runs: dict[str, list[dict[str, Any]]] = {title: [] for title, _ in tools}
        for _ in range(options.rounds):
            for title, words in tools:
                runs[title].append(run_tool(words, models, scene, folder / "mask.tif"))
        rows = [tool_row(title, found) for title, found in runs.items()]
        add_flips(rows, tools, options.flips, folder)
    add_ratios(rows)
    publish(
        options.json,
        source,
        title="Peers, side by side",
        method=f"A made raster of {options.side} x {options.side} x 3 bytes and the U-Net of 7.8 M parameters, "
        f"{options.rounds} rounds in turns, medians. Flips: labels of a trained model that change when the grid of "
        "windows is moved.",
        rows=rows,
        runs=runs,
    )


def tools_of(pythons: dict[str, str], engine: str) -> list[Tool]:
    """What is compared; a peer that has no python is left out, and that is said."""
    ours = ["overland", "--engine", engine, "--precision"]
    tools: list[Tool] = [(f"Overland {precision}", [*ours, precision]) for precision in ("fp32", "int8")]
    if python := _python_of(pythons, "geoai"):
        script = [python, "geoai_predict.py"]
        tools.append(
            ("geoai semantic_segmentation, window 512, overlap 256", [*script, "semantic_inference_on_geotiff"])
        )
        tools.append(("geoai predict_geotiff, window 256, overlap 64", [*script, "predict_geotiff"]))
    if python := _python_of(pythons, "torchgeo"):
        loop = [python, "torchgeo_predict.py"]
        tools.append(("TorchGeo's parts, chip 512, stride 512", loop))
        tools.append(("TorchGeo's parts, chip 512, stride 256, averaged", [*loop, str(_WINDOW // 2)]))
    return tools


def run_tool(words: list[str], models: dict[str, Path], scene: Path, output: Path) -> dict[str, Any]:
    """Predict a scene with one tool; gives seconds, peak memory and the tool's version or engine."""
    program, *options = words
    if program == "overland":
        precision = options[options.index("--precision") + 1]
        values = overland_json("predict", models[precision], scene, output, *options, "--overwrite")
        keys = ("seconds", "peak_memory_mb", "process_seconds", "overlap_overhead", "windows")
        kept = {key: values[key] for key in keys}
        return kept | {"version": f"{values['engine']} {precision}", "megapixels": values["megapixels"]}
    script, *extra = options
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    values = run_json([program, _PEERS / script, models["fp32"], scene, output, *extra], env=environment)
    with open_scene(scene) as opened:
        return values | {"megapixels": opened.height * opened.width / 1e6}


def tool_row(title: str, found: list[dict[str, Any]]) -> Row:
    """Medians over the rounds."""
    seconds = statistics.median(run["seconds"] for run in found)
    return {
        "tool": title,
        "version": found[0]["version"],
        "seconds": round(seconds, 1),
        "Mpx/s": round(found[0]["megapixels"] / seconds, 4),
        "peak MB": round(max(run["peak_memory_mb"] for run in found)),
    }


def add_ratios(rows: list[Row]) -> None:
    """Add how many times as fast as each tool the fp32 and the int8 run of Overland are."""
    for row in rows:
        for ours in rows[:2]:
            row[f"{ours['tool']} is faster"] = f"{ours['Mpx/s'] / row['Mpx/s']:.2f} x"


def add_flips(rows: list[Row], tools: list[Tool], flips: list[Path] | None, folder: Path) -> None:
    """Add the share of labels that change with the grid of windows, where a trained model and a scene are given."""
    if not flips:
        print("Label flips are left out: --flips names no MODEL and SCENE.", file=sys.stderr)
        return
    model, scene = flips
    # The peers decide at 0.5; small windows, because a scene of everyday size would fit into one.
    alike = ["--chip-size", str(_WINDOW), *(["--threshold", "0.5"] if load_bundle(model).num_outputs == 1 else [])]
    models = {"fp32": model, "int8": _quantised(model, scene, folder / "trained-int8")}
    moved = without_first(scene, folder / "moved.tif")
    _, valid = read_image(scene)
    for row, (_, words) in zip(rows, tools, strict=True):
        masks = []
        words = [*words, *alike] if words[0] == "overland" else words
        for path in (scene, moved):
            run_tool(words, models, path, folder / "mask.tif")
            masks.append(read_image(folder / "mask.tif", expand_palette=False)[0][0])
        row["flips, %"] = round(flip_share(*masks, valid), 4)


def flip_share(whole: np.ndarray, moved: np.ndarray, valid: np.ndarray) -> float:
    """Percent of labels that differ where there is data, away from the border that was cut."""
    inner = slice(_MARGIN, None)
    flips = whole[_MOVED:, _MOVED:] != moved
    return 100 * float(flips[inner, inner][valid[_MOVED:, _MOVED:][inner, inner]].mean())


def without_first(scene: Path, path: Path) -> Path:
    """A copy of a scene, its mask of data included, without its first rows and columns."""
    with rasterio.open(scene) as source:
        window = Window(col_off=_MOVED, row_off=_MOVED, width=source.height - _MOVED, height=source.width - _MOVED)
        size = {"height": window.height, "width": window.width, "transform": source.window_transform(window)}
        with rasterio.open(path, "w", **{**source.profile, **size}) as target:
            target.write(source.read(window=window))
            if source.nodata is None:
                target.write_mask(source.dataset_mask(window=window))
    return path


def _quantised(model: Path, scene: Path, output: Path) -> Path:
    # Forced: what it costs in accuracy is another figure, measured on labels.
    quantize(model, [scene], output, force=True)
    return output


def _python_of(pythons: dict[str, str], peer: str) -> str | None:
    if peer not in pythons:
        print(f"{peer} is left out: --peer-python {peer}=PATH was not given.", file=sys.stderr)
    return pythons.get(peer)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", nargs="+", default=[], metavar="PEER=PYTHON")
    parser.add_argument("--flips", nargs=2, type=Path, metavar=("MODEL", "SCENE"))
    parser.add_argument("--side", type=int, default=4096, help="height and width of the made raster in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="auto", help="Overland's engine")
    parser.add_argument("--quick", action="store_true", help="a side of 1024 pixels and one round, for a look")
    json_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.side, options.rounds = 1024, 1
    options.peer_python = dict(pair.split("=", 1) for pair in options.peer_python)
    return options


if __name__ == "__main__":
    main()

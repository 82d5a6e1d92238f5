"""Does the memory of `predict` grow with the height of a raster? It must not: peak of a process, at several heights.

    python benchmarks/bench_predict_memory.py [--width 2048] [--rows 4096 16384 65536] [--json OUT]

Makes tiled GeoTIFFs of noise and a small convolutional network (ONNX, three bands, 16 channels), predicts each in a
process of its own, and prints the peak resident memory that the process had. Exits 1
when the highest raster takes 10 % more than the lowest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from children import overland_json
from overland.bundle import ModelBundle, save_bundle
from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster
from results import Row, json_option, origin, publish

_LARGEST_GROWTH = 1.10
_CHANNELS = 16


def main() -> None:
    """Measure each height and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rows", type=int, nargs="+", default=[4096, 16384, 65536])
    parser.add_argument("--quick", action="store_true", help="4,096 and 8,192 rows, for a look")
    json_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.rows = [4096, 8192]
    source = origin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model")
        rows = [memory_row(folder, height, options.width) for height in options.rows]
    for row in rows:
        row["growth"] = round(row["peak MB"] / rows[0]["peak MB"], 3)
    publish(
        options.json,
        source,
        title="Memory against height",
        method=f"Peak resident memory of `overland predict`: three bands of bytes, "
        f"{options.width} columns, a network of two convolutions, so that the rest shows.",
        rows=rows,
    )
    sys.exit(rows[-1]["growth"] > _LARGEST_GROWTH)


def memory_row(folder: Path, height: int, width: int) -> Row:
    """Predict a raster of that height in a process of its own."""
    scene = folder / f"{height}.tif"
    make_scene(scene, height, width)
    values = overland_json("predict", folder / "model", scene, folder / f"{height}_mask.tif")
    scene.unlink()
    return {
        "rows": height,
        "peak MB": round(values["peak_memory_mb"]),
        "windows": values["windows"],
        "seconds": round(values["seconds"], 1),
        "engine": f"{values['engine']} {values['precision']}",
    }


def make_scene(path: Path, rows: int, width: int) -> None:
    """Write three bands of noise."""
    rng = np.random.default_rng(0)
    with create_raster(path, Grid(height=rows, width=width), count=3) as writer:
        for row in range(0, rows, 512):
            height = min(512, rows - row)
            # Four grey levels: noise that a deflate encoder gets through quickly.
            pixels = rng.integers(0, 4, (3, height, width), dtype=np.uint8) * 60
            writer.write(pixels, Window(col_off=0, row_off=row, width=width, height=height))


def save_model(path: Path) -> None:
    """Save a bundle of two convolutions with random weights."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(0, 0.2, (_CHANNELS, 3, 3, 3)).astype(np.float32),
        "second": rng.normal(0, 0.2, (3, _CHANNELS, 3, 3)).astype(np.float32),
    }
    bundle = ModelBundle(
        legend=legend_from_names(["forest", "water", "urban"]),
        model={"architecture": "made"},
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(90.0,) * 3,
        std=(60.0,) * 3,
        chip_size=512,
        size_divisor=16,
        halo=32,
        activation="softmax",
    )
    save_bundle(bundle, path, weights=weights, graph=graph_of(weights), card="# Noise\n")


def graph_of(weights: dict[str, np.ndarray]) -> bytes:
    """The network as ONNX."""
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["features"], pads=[1] * 4),
        helper.make_node("Relu", ["features"], ["active"]),
        helper.make_node("Conv", ["active", "second"], ["logits"], pads=[1] * 4),
    ]
    sides = ["batch", 3, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


if __name__ == "__main__":
    main()

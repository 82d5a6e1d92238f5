"""Does the memory of `predict` grow with the height of a raster? It must not: peak of a process, at several heights.

    python benchmarks/bench_predict_memory.py [--width 2048] [--rows 4096 32768]

Makes tiled GeoTIFFs of noise and a small convolutional network (ONNX, three bands, 16 channels), predicts each in a
process of its own and prints the peak resident memory that the process had. Exits 1 when the highest raster takes
15 % more than the lowest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from overland.bundle import ModelBundle, save_bundle
from overland.legend import legend_from_names
from overland.raster import Grid, Window, create_raster

_LARGEST_GROWTH = 1.15
_CHANNELS = 16
_CHILD = "import json, sys; from overland.workflows.predict import predict; print(json.dumps(predict(*sys.argv[1:])))"


def main() -> None:
    """Measure each height and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rows", type=int, nargs="+", default=[4096, 32768])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model")
        peaks = [peak_of(folder, rows, options.width) for rows in options.rows]
    growth = max(peaks) / peaks[0]
    print(f"growth {growth:.3f} (at most {_LARGEST_GROWTH})")
    sys.exit(growth > _LARGEST_GROWTH)


def peak_of(folder: Path, rows: int, width: int) -> float:
    """Predict a raster of that many rows in a process of its own; its peak memory in MB."""
    scene = folder / f"{rows}.tif"
    make_scene(scene, rows, width)
    arguments = [str(path) for path in (folder / "model", scene, folder / f"{rows}_mask.tif")]
    result = subprocess.run([sys.executable, "-c", _CHILD, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    values = json.loads(result.stdout)
    peak = float(values["peak_memory_mb"])
    print(f"{rows:6} x {width}: {peak:.0f} MB, {values['windows']} windows, {values['seconds']:.1f} s", flush=True)
    scene.unlink()
    return peak


def make_scene(path: Path, rows: int, width: int) -> None:
    """Write three bands of noise."""
    rng = np.random.default_rng(0)
    with create_raster(path, Grid(rows, width), count=3) as writer:
        for row in range(0, rows, 512):
            height = min(512, rows - row)
            # Four grey levels: noise that a deflate encoder gets through quickly.
            pixels = rng.integers(0, 4, (3, height, width), dtype=np.uint8) * 60
            writer.write(pixels, Window(row, 0, height, width))


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

"""The exported file in the very ONNX Runtime that Deepness pins, against PyTorch. `make interop` sets this up."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import onnxruntime
import pytest

from overland.bundle import ModelBundle, save_bundle
from overland.exporters.deepness import deepness_graph
from overland.legend import legend_from_names

torch = pytest.importorskip("torch")

from overland.models import build_model, graph_from_model
from overland.workflows.export import export
from scenes import write_image

RUN = """
import sys
import numpy, onnxruntime
assert onnxruntime.__version__ == "1.17.0", onnxruntime.__version__
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(None, {session.get_inputs()[0].name: numpy.load(sys.argv[2])})[0])
"""


def made_network(path, model, legend):
    torch.manual_seed(0)
    network = build_model(model).eval()
    bundle = ModelBundle(
        legend=legend_from_names(legend),
        model=model,
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(100.0,) * 3,
        std=(50.0,) * 3,
        chip_size=64,
        size_divisor=32,
        halo=16,
        activation="sigmoid" if len(legend) == 2 else "softmax",
    )
    graph = graph_from_model(network, in_channels=3, size_divisor=32)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return network, save_bundle(bundle, path, weights=weights, graph=graph, card="# Made\n")


in_runtime = pytest.mark.skipif(
    "OVERLAND_ORT117" not in os.environ, reason="OVERLAND_ORT117 names no Python (see make interop)"
)


def run_there(folder, graph, chips):
    (folder / "model.onnx").write_bytes(graph)
    np.save(folder / "chips.npy", chips)
    files = [str(folder / name) for name in ("model.onnx", "chips.npy", "scores.npy")]
    subprocess.run([os.environ["OVERLAND_ORT117"], "-c", RUN, *files], check=True, timeout=120)
    return np.load(folder / "scores.npy")


@in_runtime
@pytest.mark.parametrize("classes", [["background", "road"], ["field", "road", "water"]])
@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "PlainUnet", "width": 8, "depth": 3, "stem_stride": 2},
        {"architecture": "Unet", "encoder_name": "resnet18", "encoder_weights": None},
        {"architecture": "DeepLabV3Plus", "encoder_name": "mobilenet_v2", "encoder_weights": None},
    ],
    ids=lambda model: model["architecture"],
)
def test_onnx_runtime_1_17_gives_what_pytorch_gives(tmp_path, model, classes):
    model = {**model, "in_channels": 3, "classes": 1 if len(classes) == 2 else len(classes)}
    network, bundle = made_network(tmp_path / "bundle", model, classes)
    chips = np.random.default_rng(0).normal(size=(2, 3, 128, 128)).astype(np.float32)
    scores = run_there(tmp_path, deepness_graph(bundle, tile_size=128), chips)
    with torch.inference_mode():
        logits = network(torch.from_numpy(chips))
    expected = logits.sigmoid() if len(classes) == 2 else logits.softmax(1)
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-4)


@in_runtime
def test_eight_bits_give_there_what_they_give_here(tmp_path):
    model = {"architecture": "PlainUnet", "width": 8, "depth": 3, "in_channels": 3, "classes": 1}
    _, bundle = made_network(tmp_path / "bundle", model, ["background", "road"])
    scene = write_image(
        tmp_path / "scene.tif", np.random.default_rng(1).integers(0, 256, (3, 300, 300), dtype=np.uint8)
    )
    export(bundle.path, tmp_path / "int8.onnx", precision="int8", calibrate=[scene], force=True, tile_size=128)
    graph = (tmp_path / "int8.onnx").read_bytes()
    chips = np.random.default_rng(0).normal(size=(1, 3, 128, 128)).astype(np.float32)
    here = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"image": chips})[0]
    np.testing.assert_allclose(run_there(tmp_path, graph, chips), here, atol=1e-2)

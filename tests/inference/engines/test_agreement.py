"""Whichever engine runs a network, the logits are the same."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models_made import threshold_bundle

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from overland.bundle import save_bundle
from overland.inference import open_engine
from overland.legend import legend_from_names
from overland.models import build_model, graph_from_model, model_settings

NAMES = ("onnx", "openvino", "torch")
CLASSES = ["water", "forest", "field", "town", "road"]


@pytest.fixture(scope="module")
def five_classes(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("five")
    settings = model_settings({"architecture": "PlainUnet", "width": 8, "depth": 2}, in_channels=3, classes=5)
    network = build_model(settings)
    bundle = dataclasses.replace(
        threshold_bundle(folder / "made", bands=3),
        model=settings,
        legend=legend_from_names(CLASSES),
        activation="softmax",
    )
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    graph = graph_from_model(network, in_channels=3, size_divisor=8)
    return save_bundle(bundle, folder / "five", weights=weights, graph=graph, card="# Untrained\n")


@pytest.fixture(scope="module", params=NAMES)
def engine(request, five_classes):
    if request.param == "openvino":
        pytest.importorskip("overland.inference.engines.openvino", exc_type=ImportError)
    return open_engine(five_classes, request.param, precision="fp32")


def made_chips(seed, height=64, width=96):
    return np.random.default_rng(seed).normal(size=(1, 3, height, width)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(five_classes):
    reference = open_engine(five_classes, "onnx", precision="fp32", threads=1)
    return {seed: reference.run(made_chips(seed)) for seed in range(4)}


def test_fp32_is_fp32(engine, expected):
    logits = engine.run(made_chips(0))
    assert logits.dtype == np.float32
    assert np.ptp(expected[0]) > 0.1
    np.testing.assert_allclose(logits, expected[0], atol=1e-4)


def test_five_classes_stay_five(engine):
    assert engine.run(made_chips(0)).shape == (1, 5, 64, 96)


def test_threads_do_not_get_in_each_others_way(engine, expected):
    seeds = [0, 1, 2, 3] * 5
    with ThreadPoolExecutor(max(2, engine.workers)) as threads:
        for seed, logits in zip(seeds, threads.map(lambda seed: engine.run(made_chips(seed)), seeds), strict=True):
            np.testing.assert_allclose(logits, expected[seed], atol=1e-4)


def test_an_engine_says_what_it_is(engine):
    assert engine.name in NAMES
    assert engine.precision == "fp32"
    assert engine.device in ("cpu", "cuda", "mps")
    assert engine.workers >= 1


@pytest.fixture(scope="module")
def in_eight_bits(five_classes, tmp_path_factory):
    quantize = pytest.importorskip("overland.exporters.quantize")
    graph = five_classes.graph_path.read_bytes()
    return save_bundle(
        dataclasses.replace(five_classes, int8={"note": "made for a test"}),
        tmp_path_factory.mktemp("int8") / "five",
        weights={"weight": np.zeros(1, np.float32)},
        graph=graph,
        int8_graph=quantize.quantize_graph(graph, [made_chips(seed) for seed in range(4)]),
        card="# Untrained\n",
    )


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_eight_bits_are_near_fp32(in_eight_bits, expected, name):
    if name == "openvino":
        pytest.importorskip("overland.inference.engines.openvino", exc_type=ImportError)
    engine = open_engine(in_eight_bits, name, precision="int8")
    assert (engine.precision, engine.device) == ("int8", "cpu")
    difference = np.abs(engine.run(made_chips(0)) - expected[0])
    assert 0 < difference.mean() < 0.1 * expected[0].std()

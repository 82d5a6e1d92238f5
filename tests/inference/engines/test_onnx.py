import dataclasses

import numpy as np
import onnxruntime
import pytest

from models_made import mean_bundle, ranking_bundle, threshold_bundle
from overland.errors import DataError
from overland.inference.engines.onnx import OnnxEngine, half_precision


def test_logits_are_those_of_the_graph(tmp_path):
    engine = OnnxEngine(threshold_bundle(tmp_path / "m", bands=2, limit=10.0))
    chips = np.random.default_rng(0).random((2, 2, 16, 24), dtype=np.float32)
    logits = engine.run(chips)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, chips.mean(axis=1, keepdims=True) - 10, atol=1e-5)


def test_half_precision_is_near_fp32(tmp_path):
    bundle = mean_bundle(tmp_path / "m")
    chips = np.random.default_rng(0).normal(100, 10, (1, 1, 16, 24)).astype(np.float32)
    session = onnxruntime.InferenceSession(half_precision(bundle.graph_path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": chips})
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, OnnxEngine(bundle).run(chips), atol=0.02)


def test_the_number_of_threads_does_not_change_the_logits(tmp_path):
    bundle = ranking_bundle(tmp_path / "m")
    chips = np.random.default_rng(0).random((1, 3, 40, 40), dtype=np.float32)
    one, two = (OnnxEngine(bundle, threads=threads).run(chips) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_graph_that_is_none_is_refused(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    bundle.graph_path.write_bytes(b"no graph")
    with pytest.raises(DataError, match=r"model\.onnx cannot be loaded"):
        OnnxEngine(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": (0.0,) * 4, "std": (1.0,) * 4}, "takes 3 channels, the bundle says 4"),
        ({"activation": "sigmoid"}, "gives 3 channels, the bundle says 1"),
    ],
)
def test_a_graph_that_is_not_the_bundles_is_refused(tmp_path, change, message):
    bundle = dataclasses.replace(ranking_bundle(tmp_path / "m"), **change)
    with pytest.raises(DataError, match=message):
        OnnxEngine(bundle)


def test_chips_that_the_graph_cannot_take_are_one_error(tmp_path):
    engine = OnnxEngine(threshold_bundle(tmp_path / "m", bands=2))
    with pytest.raises(DataError, match="cannot run on chips of 8 x 16 pixels"):
        engine.run(np.zeros((1, 3, 8, 16), np.float32))

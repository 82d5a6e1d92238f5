import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from models_made import mean_bundle, ranking_bundle, threshold_bundle
from overland.errors import DataError

pytest.importorskip("overland.inference.engines.openvino", exc_type=ImportError)

from overland.inference.engines.openvino import OpenvinoEngine, available_devices

_IMPORT = """
import sys
def tell(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.posix_spawn")):
        print(event, arguments)
sys.addaudithook(tell)
from overland.inference.engines.openvino import available_devices
available_devices()
"""


def test_logits_are_those_of_the_graph(tmp_path):
    engine = OpenvinoEngine(threshold_bundle(tmp_path / "m", bands=2, limit=10.0))
    chips = np.random.default_rng(0).random((2, 2, 16, 24), dtype=np.float32)
    logits = engine.run(chips)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, chips.mean(axis=1, keepdims=True) - 10, atol=1e-5)


def test_logits_stay_when_the_engine_runs_again(tmp_path):
    engine = OpenvinoEngine(threshold_bundle(tmp_path / "m", limit=0.0))
    first = engine.run(np.full((1, 1, 8, 8), 3, np.float32))
    engine.run(np.full((1, 1, 8, 8), 5, np.float32))
    assert (first == 3).all()


def test_shapes_may_change(tmp_path):
    engine = OpenvinoEngine(mean_bundle(tmp_path / "m", side=1, limit=0.0, gain=1.0))
    for shape in ((8, 8), (8, 16), (24, 8), (8, 8)):
        chips = np.random.default_rng(0).random((1, 1, *shape), dtype=np.float32)
        np.testing.assert_allclose(engine.run(chips), chips, atol=1e-6)


def test_nothing_is_sent_anywhere():
    found = subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True)
    assert found.stdout == ""


def test_a_graph_that_is_none_is_refused(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    bundle.graph_path.write_bytes(b"no graph")
    with pytest.raises(DataError, match=r"model\.onnx cannot be loaded"):
        OpenvinoEngine(bundle)


def test_a_graph_that_is_not_the_bundles_is_refused(tmp_path):
    bundle = dataclasses.replace(ranking_bundle(tmp_path / "m"), activation="sigmoid")
    with pytest.raises(DataError, match="gives 3 channels, the bundle says 1"):
        OpenvinoEngine(bundle)


def test_chips_that_the_graph_cannot_take_are_one_error(tmp_path):
    engine = OpenvinoEngine(threshold_bundle(tmp_path / "m", bands=2))
    with pytest.raises(DataError, match="cannot run on chips of 8 x 16 pixels"):
        engine.run(np.zeros((1, 3, 8, 16), np.float32))
    assert engine.run(np.zeros((1, 2, 8, 16), np.float32)).shape == (1, 1, 8, 16)


def test_there_is_a_processor():
    assert "CPU" in available_devices()

import sys

import pytest

from models_made import threshold_bundle
from overland.errors import DataError, MissingExtraError, UsageError
from overland.inference import engines, open_engine


def test_openvino_is_the_engine_of_a_processor_where_it_is_installed(tmp_path):
    pytest.importorskip("overland.inference.engines.openvino")
    engine = open_engine(threshold_bundle(tmp_path / "m"))
    assert (engine.name, engine.precision, engine.device) == ("openvino", "fp32", "cpu")


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.delitem(sys.modules, "overland.inference.engines.openvino", raising=False)
    monkeypatch.delattr(engines, "openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.mark.usefixtures("without_openvino")
def test_onnx_is_the_engine_of_the_base_install(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    assert open_engine(bundle).name == "onnx"
    with pytest.raises(MissingExtraError, match=r"overland\[speed\]"):
        open_engine(bundle, "openvino")


def test_onnx_takes_over_what_openvino_cannot_read(tmp_path, monkeypatch):
    def broken(*arguments):
        raise DataError("an operator that OpenVINO does not know")

    monkeypatch.setitem(engines._OPENERS, "openvino", broken)
    assert open_engine(threshold_bundle(tmp_path / "m")).name == "onnx"


def test_a_damaged_graph_is_told_once(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    bundle.graph_path.write_bytes(b"no graph")
    with pytest.raises(DataError, match=r"model\.onnx cannot be loaded"):
        open_engine(bundle)


class MadeEngine:
    workers = 2
    precision = "fp16"

    def __init__(self, name, device):
        self.name, self.device = name, device


@pytest.mark.parametrize(
    ("onnx_device", "torch_device", "expected"),
    [("cuda", "cuda", "onnx"), ("cpu", "cuda", "torch"), ("cpu", "cpu", "openvino")],
)
def test_on_a_gpu_the_first_engine_that_uses_it(tmp_path, monkeypatch, onnx_device, torch_device, expected):
    monkeypatch.setattr(engines, "has_cuda", lambda: True)
    for name, device in (("onnx", onnx_device), ("torch", torch_device), ("openvino", "cpu")):
        monkeypatch.setitem(engines._OPENERS, name, lambda *rest, name=name, device=device: MadeEngine(name, device))
    assert open_engine(threshold_bundle(tmp_path / "m")).name == expected


def test_an_unknown_engine_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UsageError, match="'tensorflow'.*auto, openvino, onnx, torch"):
        open_engine(threshold_bundle(tmp_path / "m"), "tensorflow")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "'fp8'.*auto, fp32, fp16, bf16, int8"),
        ({"precision": "fp16"}, "does not compute in fp16 on the device cpu. fp16 is for GPUs"),
        ({"precision": "int8"}, "overland export .* OUT --precision int8 --calibrate SCENE"),
        ({"threads": 0}, "0 threads cannot run"),
        ({"workers": -1}, "-1 workers cannot run"),
    ],
)
@pytest.mark.parametrize("name", ["auto", "onnx"])
def test_what_cannot_be_had_is_refused_with_the_reason(tmp_path, monkeypatch, name, options, message):
    monkeypatch.setattr(engines, "has_cuda", lambda: False)
    monkeypatch.setattr("overland.inference.engines.onnx.has_cuda", lambda: False)
    with pytest.raises(UsageError, match=message):
        open_engine(threshold_bundle(tmp_path / "m"), name, **options)

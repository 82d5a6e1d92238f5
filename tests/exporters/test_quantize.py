import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from models_made import conv_graph
from overland.errors import DataError
from overland.exporters.quantize import end_layers, quantize_graph
from overland.models import build_model
from overland.models.build import graph_from_model

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def graph():
    torch.manual_seed(0)
    network = build_model({"architecture": "PlainUnet", "in_channels": 3, "classes": 1, "width": 4, "depth": 2})
    return graph_from_model(network, in_channels=3, size_divisor=4)


@pytest.fixture(scope="module")
def chips():
    return [RNG.normal(size=(1, 3, 32, 32)).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def quantized(graph, chips):
    return quantize_graph(graph, chips)


def run(graph, chip):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]).run(None, {"image": chip})[
        0
    ]


def operators(graph):
    return {node.op_type for node in onnx.load_model_from_string(graph).graph.node}


def test_eight_bits_give_nearly_the_same(graph, quantized, chips):
    expected, found = run(graph, chips[0]), run(quantized, chips[0])
    assert 0 < np.abs(found - expected).mean() < 0.1 * expected.std()


def test_weights_are_in_seven_bits_and_the_sizes_stay_free(graph, quantized):
    tensors = onnx.load_model_from_string(quantized).graph.initializer
    weights = [
        onnx.numpy_helper.to_array(t) for t in tensors if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4
    ]
    assert len(weights) == len(end_layers(graph)) + 11
    assert max(np.abs(weight.astype(int)).max() for weight in weights) <= 64
    assert run(quantized, RNG.normal(size=(2, 3, 16, 48)).astype(np.float32)).shape == (2, 1, 16, 48)


def test_runtimes_of_2024_read_it(quantized):
    model = onnx.load_model_from_string(quantized)
    assert model.ir_version <= 9
    assert [(item.domain, item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")] == [("", 17)]


def test_layers_that_are_kept_have_their_own_weights(graph, chips):
    first, last = end_layers(graph)
    kept = onnx.load_model_from_string(quantize_graph(graph, chips, keep=(first, last)))
    fp32 = {
        tensor.name
        for tensor in kept.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4
    }
    assert len(fp32) == 2
    assert {node.name for node in kept.graph.node if node.input[1:2] and node.input[1] in fp32} == {first, last}


def test_upsampling_is_in_eight_bits_too(graph, quantized):
    assert "ConvTranspose" in operators(graph)
    assert "ConvTranspose" not in operators(quantized)


def test_nothing_is_left_behind_and_nothing_is_said(graph, chips, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with caplog.at_level(logging.INFO):
        quantize_graph(graph, chips)
    assert not list(Path(tmp_path).iterdir())
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_graph_without_layers_is_refused():
    node = onnx.helper.make_node("Exp", ["image"], ["logits"])
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 1, "height", "width"])
        for name in ("image", "logits")
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "made", ports[:1], ports[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with pytest.raises(DataError, match="no convolution"):
        quantize_graph(model.SerializeToString(), [np.ones((1, 1, 8, 8), np.float32)])


def test_a_network_without_a_middle_has_no_ends(graph):
    assert end_layers(conv_graph(np.ones((1, 1, 3, 3)), np.zeros(1))) == ()
    assert end_layers(graph) == ("/stem/stem.0/Conv", "/head/Conv")

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from overland.exporters.graphs import use_subpixel_convolutions

RNG = np.random.default_rng(0)


def upsampling(kernel, *, bias=True, inputs=3, outputs=5, **settings):
    shape = ["batch", inputs, "height", "width"]
    tensors = {"weight": RNG.normal(size=(inputs, outputs // settings.get("group", 1), *kernel)).astype(np.float32)}
    if bias:
        tensors["bias"] = RNG.normal(size=outputs).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["image", *tensors], ["logits"], "up", **settings)
    graph = helper.make_graph(
        [node],
        "made",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).normal(size=(2, 3, 4, 6)).astype(np.float32)
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_the_rewritten_graph_gives_the_same(size, bias):
    model = upsampling((size, size), bias=bias, strides=[size, size])
    expected = run(model)
    use_subpixel_convolutions(model)
    assert [node.op_type for node in model.graph.node] == ["Conv", "DepthToSpace"]
    assert len(model.graph.initializer) == 1 + bias
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": (3, 3), "strides": [2, 2]},
        {"kernel": (2, 2), "strides": [1, 1]},
        {"kernel": (2, 2)},
        {"kernel": (2, 2), "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel": (2, 2), "strides": [2, 2], "output_padding": [1, 1]},
        {"kernel": (2, 2), "strides": [2, 2], "dilations": [2, 2]},
        {"kernel": (2, 3), "strides": [2, 3]},
        {"kernel": (2, 2), "strides": [2, 2], "group": 3, "outputs": 6},
        {"kernel": (2, 2), "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_others_are_left_as_they_are(settings):
    model = upsampling(**settings)
    before = model.SerializeToString()
    use_subpixel_convolutions(model)
    assert model.SerializeToString() == before

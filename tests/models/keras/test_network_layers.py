"""Single layers against values worked out by hand, where Keras's own backends do not agree or sizes are uneven."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overland.models.keras.network import build_layer
from overland.models.keras.sizes import plan_sizes

ROW = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]] * 4]])  # the same in every row


def run(image, **layer):
    """The first row and the first column of a layer's result, the layer back at the image's size behind it."""
    plan = plan_sizes(
        [{"name": "layer", "inputs": ["image"], **layer}, {"name": "back", "inputs": ["layer"], **back(layer)}]
    )
    with torch.no_grad():
        return build_layer(layer, plan.padding["layer"])(image)[0, 0]


def back(layer):
    strides = layer.get("strides", [1, 1])
    if layer["kind"] == "Conv2DTranspose":
        return {"kind": "MaxPooling2D", "kernel_size": strides, "strides": strides, "padding": "same"}
    return {"kind": "UpSampling2D", "size": strides, "interpolation": "nearest"}


def pooling(kind):
    return {"kind": kind, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}


def test_average_pooling_leaves_the_padding_out():
    # One pixel is missing at the end: windows 1 2 3 and 3 4.
    assert run(ROW, **pooling("AveragePooling2D"))[0].tolist() == pytest.approx([2.0, 3.5])


def test_max_pooling_pads_with_nothing():
    assert run(-ROW, **pooling("MaxPooling2D"))[0].tolist() == [-1.0, -3.0]


def transposed(image, kernel, stride, padding, output_padding=None):
    settings = {"kind": "Conv2DTranspose", "in_channels": 1, "out_channels": 1, "kernel_size": [kernel, kernel]}
    settings |= {"strides": [stride, stride], "dilation_rate": [1, 1], "padding": padding, "use_bias": True}
    settings["output_padding"] = output_padding and [output_padding] * 2
    plan = plan_sizes([{"name": "layer", "inputs": ["image"], **settings}, *shrink(stride)])
    module = build_layer(settings, plan.padding["layer"])
    with torch.no_grad():
        module.weight.zero_()
        module.weight[0, 0, 0] = torch.arange(1.0, kernel + 1)  # the first row of the kernel
        module.bias.fill_(0.5)
        return module(image)[0, 0]


def shrink(stride):
    pool = {"kind": "MaxPooling2D", "kernel_size": [stride, stride], "strides": [stride, stride], "padding": "same"}
    return [{"name": "back", "inputs": ["layer"], **pool}]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_padding", "expected"),
    [
        # Each pixel a becomes a 2a 3a, two steps apart: 1 2 3+2 4 6+3 6 9+4 8 12, the last cut off.
        (3, 2, "same", None, [1, 2, 5, 4, 9, 6, 13, 8]),
        (3, 2, "same", 1, [1, 2, 5, 4, 9, 6, 13, 8]),
        (2, 2, "same", None, [1, 2, 2, 4, 3, 6, 4, 8]),
        (2, 2, "valid", None, [1, 2, 2, 4, 3, 6, 4, 8]),
        # A gap between the pixels, also behind the last one.
        (1, 2, "valid", None, [1, 0, 2, 0, 3, 0, 4, 0]),
        (1, 2, "same", None, [1, 0, 2, 0, 3, 0, 4, 0]),
        # 1 2 3+2 4+4 6+3 8+6 9+4 12+8 12 16, one cut off at either side.
        (4, 2, "same", None, [2, 5, 8, 9, 14, 13, 20, 12]),
        # 1 2 3+2 4+4 5+6+3 8+6 10+9+4 12+8 15+12 16 20: one cut off before, two behind.
        (5, 2, "same", None, [2, 5, 8, 14, 14, 23, 20, 27]),
    ],
)
def test_transposed_convolutions_are_those_of_tensorflow(kernel, stride, padding, output_padding, expected):
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 2] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    result = transposed(image, kernel, stride, padding, output_padding) - 0.5
    assert result.shape == (8, 8)
    row = int(result.abs().sum(dim=1).argmax())
    assert result[row].tolist() == pytest.approx(expected)
    assert np.count_nonzero(result.abs().sum(dim=1)) == 1


def test_even_kernels_and_strides_pad_behind():
    settings = {"kind": "Conv2D", "in_channels": 1, "out_channels": 1, "kernel_size": [1, 2], "strides": [1, 1]}
    settings |= {"dilation_rate": [1, 1], "padding": "same", "groups": 1, "use_bias": False}
    plan = plan_sizes([{"name": "layer", "inputs": ["image"], **settings}])
    assert plan.padding["layer"] == ((0, 0), (0, 1))
    module = build_layer(settings, plan.padding["layer"])
    with torch.no_grad():
        module.weight[:] = torch.tensor([[[[1.0, 10.0]]]])
        assert module(ROW)[0, 0, 0].tolist() == [21.0, 32.0, 43.0, 4.0]


def test_relu_with_everything():
    layer = {"kind": "Activation", "function": "relu", "max_value": 3.0, "negative_slope": 0.5, "threshold": 1.0}
    values = torch.tensor([-1.0, 0.5, 1.0, 2.0, 5.0])
    assert build_layer(layer, ((0, 0), (0, 0)))(values).tolist() == [-1.0, -0.25, 1.0, 2.0, 3.0]

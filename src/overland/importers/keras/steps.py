"""Steps from a layer of Keras to layers of a `KerasNetwork`: how options are read, and the layers with a kernel.

Keras's kernels are (height, width, in, out), PyTorch's (out, in, height, width).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.importers.keras.file import WeightStore
from overland.importers.keras.topology import Layer
from overland.models.keras.activations import activation_from_config

__all__ = [
    "CONVOLUTIONS",
    "Arrays",
    "Source",
    "Step",
    "padding_of",
    "pair_of",
    "steps_of_convolution",
]

_LARGEST_OPTION = 4096  # of strides, padding and the like: no network has more, and memory is not given away

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Step:
    """A layer of a `KerasNetwork` without name and inputs.

    Args:
        kind: Kind of the layer.
        options: Options of that kind.
        weights: Arrays by their names in the PyTorch module.
        suffix: End of its name, where one layer of Keras becomes several.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Source:
    """Facts of a whole file.

    Args:
        keras: Major version of Keras.
        channels_first: Whether channels come before height and width.
        store: Finds the weights of its layers.
    """

    keras: int
    channels_first: bool
    store: WeightStore


def padding_of(layer: Layer) -> str:
    """Return the padding of a layer, "same" or "valid".

    Args:
        layer: The layer.

    Raises:
        DataError: It pads in another way.
    """
    padding = str(layer.config.get("padding", "valid")).lower()
    if padding not in ("same", "valid"):
        raise DataError(f"Layer {layer.name!r} pads by {padding!r}; supported are same and valid.")
    return padding


def pair_of(value: Any, least: int = 0) -> list[int]:
    """Return two whole numbers that are given as one or two.

    Args:
        value: One number or two.
        least: Smallest number that is allowed.

    Raises:
        ValueError: A number is smaller, or far too large.
    """
    pair = [int(item) for item in (value if isinstance(value, Sequence) else (value, value))]
    if len(pair) != 2 or not all(least <= item <= _LARGEST_OPTION for item in pair):
        raise ValueError(f"{value} is not two numbers from {least} to {_LARGEST_OPTION}")
    return pair


CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "Dense")
"""The kinds of layers with a kernel."""


def steps_of_convolution(layer: Layer, source: Source) -> list[Step]:
    """Translate a layer with a kernel, and the activation that it has.

    Args:
        layer: A layer of one of the kinds in `CONVOLUTIONS`.
        source: Facts of the whole file.

    Returns:
        One step, two of a separable convolution, and one of the activation.

    Raises:
        DataError: It is used in a way that is not supported.
    """
    kind = layer.class_name.removesuffix("V1").removesuffix("V2")
    bias = ("bias",) if layer.config.get("use_bias", True) else ()
    if kind in ("DepthwiseConv2D", "SeparableConv2D"):
        is_separable = kind == "SeparableConv2D"
        arrays = source.store(layer, ("depthwise_kernel", *(("pointwise_kernel",) if is_separable else ()), *bias))
        height, width, channels, multiplier = arrays["depthwise_kernel"].shape
        kernel = arrays["depthwise_kernel"].transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        if is_separable:
            depthwise = _conv_step(layer, kernel, {}, groups=channels, suffix="depthwise")
            steps = [depthwise, _pointwise_step(arrays["pointwise_kernel"].transpose(3, 2, 0, 1), arrays)]
        else:
            steps = [_conv_step(layer, kernel, arrays, groups=channels)]
    else:
        arrays = source.store(layer, ("kernel", *bias))
        if kind == "Conv2DTranspose":
            steps = [_transpose_step(layer, arrays)]
        elif kind == "Conv2D":
            kernel = arrays["kernel"].transpose(3, 2, 0, 1)
            steps = [_conv_step(layer, kernel, arrays, groups=int(layer.config.get("groups") or 1))]
        elif source.channels_first:
            raise DataError(f"Layer {layer.name!r} is a Dense in a network with channels first; it mixes columns.")
        else:
            steps = [_pointwise_step(arrays["kernel"].T[:, :, None, None], arrays)]
    options = activation_from_config(layer.config.get("activation"), layer.name, keras=source.keras)
    if options.get("function") == "softmax" and source.channels_first:
        raise DataError(f"Layer {layer.name!r} has a softmax over columns, as its channels come first; use Softmax(1).")
    return [*steps, Step("Activation", options, suffix="activation")] if options else steps


def _conv_step(layer: Layer, kernel: npt.NDArray[np.float32], arrays: Arrays, *, groups: int, suffix: str = "") -> Step:
    options = {
        "in_channels": kernel.shape[1] * groups,
        "out_channels": kernel.shape[0],
        "kernel_size": list(kernel.shape[2:]),
        "strides": pair_of(layer.config.get("strides", 1), 1),
        "dilation_rate": pair_of(layer.config.get("dilation_rate", 1), 1),
        "padding": padding_of(layer),
        "groups": groups,
    }
    return _with_bias("Conv2D", options, kernel, arrays, suffix)


def _pointwise_step(kernel: npt.NDArray[np.float32], arrays: Arrays) -> Step:
    options = {
        "in_channels": kernel.shape[1],
        "out_channels": kernel.shape[0],
        "kernel_size": [1, 1],
        "strides": [1, 1],
        "dilation_rate": [1, 1],
        "padding": "valid",
        "groups": 1,
    }
    return _with_bias("Conv2D", options, kernel, arrays, "")


def _transpose_step(layer: Layer, arrays: Arrays) -> Step:
    kernel = arrays["kernel"].transpose(3, 2, 0, 1)
    extra = layer.config.get("output_padding")
    options = {
        "in_channels": kernel.shape[0],
        "out_channels": kernel.shape[1],
        "kernel_size": list(kernel.shape[2:]),
        "strides": pair_of(layer.config.get("strides", 1), 1),
        "dilation_rate": pair_of(layer.config.get("dilation_rate", 1), 1),
        "padding": padding_of(layer),
        "output_padding": None if extra is None else pair_of(extra),
    }
    return _with_bias("Conv2DTranspose", options, kernel, arrays, "")


def _with_bias(
    kind: str, options: Mapping[str, Any], kernel: npt.NDArray[np.float32], arrays: Arrays, suffix: str
) -> Step:
    weights = {"weight": kernel} | ({"bias": arrays["bias"]} if "bias" in arrays else {})
    return Step(kind, {**options, "use_bias": "bias" in arrays}, weights, suffix)

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


def _conv(layer: Layer, source: Source) -> list[Step]:
    arrays = source.store(layer, ("kernel", *_bias(layer)))
    kernel = arrays["kernel"].transpose(3, 2, 0, 1)
    return [_conv_step(layer, kernel, arrays, groups=int(layer.config.get("groups") or 1)), *_activated(layer, source)]


def _depthwise(layer: Layer, source: Source) -> list[Step]:
    arrays = source.store(layer, ("depthwise_kernel", *_bias(layer)))
    kernel = _depthwise_kernel(arrays["depthwise_kernel"])
    groups = arrays["depthwise_kernel"].shape[2]
    return [_conv_step(layer, kernel, arrays, groups=groups), *_activated(layer, source)]


def _separable(layer: Layer, source: Source) -> list[Step]:
    arrays = source.store(layer, ("depthwise_kernel", "pointwise_kernel", *_bias(layer)))
    kernel = _depthwise_kernel(arrays["depthwise_kernel"])
    depthwise = _conv_step(layer, kernel, {}, groups=arrays["depthwise_kernel"].shape[2], suffix="depthwise")
    pointwise = _pointwise_step(arrays["pointwise_kernel"].transpose(3, 2, 0, 1), arrays)
    return [depthwise, pointwise, *_activated(layer, source)]


def _dense(layer: Layer, source: Source) -> list[Step]:
    arrays = source.store(layer, ("kernel", *_bias(layer)))
    if source.channels_first:
        raise DataError(f"Layer {layer.name!r} is a Dense in a network with channels first; it mixes columns.")
    return [_pointwise_step(arrays["kernel"].T[:, :, None, None], arrays), *_activated(layer, source)]


def _depthwise_kernel(kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width, channels, multiplier = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)


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


def _transpose(layer: Layer, source: Source) -> list[Step]:
    arrays = source.store(layer, ("kernel", *_bias(layer)))
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
    return [_with_bias("Conv2DTranspose", options, kernel, arrays, ""), *_activated(layer, source)]


def _with_bias(
    kind: str, options: Mapping[str, Any], kernel: npt.NDArray[np.float32], arrays: Arrays, suffix: str
) -> Step:
    weights = {"weight": kernel} | ({"bias": arrays["bias"]} if "bias" in arrays else {})
    return Step(kind, {**options, "use_bias": "bias" in arrays}, weights, suffix)


def _bias(layer: Layer) -> tuple[str, ...]:
    return ("bias",) if layer.config.get("use_bias", True) else ()


def _activated(layer: Layer, source: Source) -> list[Step]:
    options = activation_from_config(layer.config.get("activation"), layer.name, keras=source.keras)
    if options.get("function") == "softmax" and source.channels_first:
        raise DataError(f"Layer {layer.name!r} has a softmax over columns, as its channels come first; use Softmax(1).")
    return [Step("Activation", options, suffix="activation")] if options else []


CONVOLUTIONS = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transpose,
    "Dense": _dense,
}
"""The translation of each kind of layer with a kernel: one or more steps."""

"""From the configuration of one Keras layer to layers of a `KerasNetwork`, with the weights in PyTorch's order.

A network's last activation is taken off (`ending_of`), so that it gives logits as every other network here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from overland.errors import DataError
from overland.importers.keras.steps import (
    CONVOLUTIONS,
    Arrays,
    Source,
    Step,
    padding_of,
    pair_of,
    steps_of_convolution,
)
from overland.importers.keras.topology import RANDOM_LAYERS, Layer
from overland.models.keras.activations import ACTIVATION_LAYERS, activation_from_layer

__all__ = [
    "Ending",
    "ending_of",
    "steps_of_layer",
]

Layers = list[Mapping[str, Any]]

# Sizes change in these, probabilities do not: the result is one if the input is.
_KEEPS_PROBABILITIES = {"UpSampling2D", "Pad2D", "AveragePooling2D", "MaxPooling2D", "Dropout", "SpatialDropout2D"}


@dataclass(frozen=True)
class Ending:
    """The end of a network.

    Args:
        layers: Layers that give logits.
        activation: Function that makes probabilities of them.
        note: A sentence that people should know; None where there is nothing to say.
    """

    layers: Layers
    activation: Literal["sigmoid", "softmax"]
    note: str | None


def ending_of(layers: Sequence[Mapping[str, Any]], classes: int) -> Ending:
    """Work out from a network's last layers what its results are, and make logits of them.

    The probabilities of the bundle are then those of the network: exactly for a sigmoid of one result, a softmax, and
    results from 0 to 1 that were made in another way. Independent sigmoids of several classes are divided by their sum,
    which leaves the largest the largest. A network without a last activation gives logits.

    Args:
        layers: All layers of the network.
        classes: Number of its results for each pixel.

    Raises:
        DataError: The results are neither probabilities nor logits.
    """
    kept = list(layers)
    while len(kept) > 1 and "Dropout" in kept[-1]["kind"]:
        kept.pop()
    function = kept[-1].get("function") if kept[-1]["kind"] == "Activation" else None
    if classes == 1:
        return _one_result(kept, function)
    if function == "softmax":
        return Ending(_without_last(kept), "softmax", None)
    if function == "sigmoid":
        note = (
            f"The network ends in {classes} independent sigmoids: the class of a pixel is the one with the largest, "
            "and the probabilities of a pixel are divided by their sum."
        )
        return Ending(_with(_without_last(kept), "log_sigmoid"), "softmax", note)
    if _probability_function(kept) in ("softmax", "sigmoid"):
        return Ending(_with(kept, "log"), "softmax", None)
    last = function or "no activation"
    return Ending(
        kept, "softmax", f"The network ends in {last}: its results are taken for logits, to which softmax is applied."
    )


def _one_result(kept: Layers, function: str | None) -> Ending:
    if function == "sigmoid":
        return Ending(_without_last(kept), "sigmoid", None)
    if _probability_function(kept) == "sigmoid":
        return Ending(_with(kept, "logit"), "sigmoid", None)
    if function in ("relu", "hard_sigmoid"):
        note = f"The network ends in {function}: its results are taken for probabilities, larger ones for 1."
        return Ending(_with(kept, "logit"), "sigmoid", note)
    if function is None:
        note = "The network ends without an activation: its results are taken for logits, to which sigmoid is applied."
        return Ending(kept, "sigmoid", note)
    raise DataError(
        f"The network ends in one {function}, which is neither a probability nor a logit. End it in a sigmoid, "
        "or in a softmax over two or more classes."
    )


def _probability_function(layers: Layers) -> str | None:
    """Return the activation that the result has gone through, where it still is a probability after it."""
    by_name = {layer["name"]: layer for layer in layers}
    layer = layers[-1]
    while layer["kind"] in _KEEPS_PROBABILITIES and layer["inputs"][0] in by_name:
        layer = by_name[layer["inputs"][0]]
    return layer.get("function") if layer["kind"] == "Activation" else None


def _without_last(layers: Layers) -> Layers:
    """Return the layers up to those whose result the last activation takes, which becomes the result."""
    (source,) = layers[-1]["inputs"]
    if source == "image":
        raise DataError("The model is an activation and nothing else; it has no network.")
    wanted = {source}
    kept = []
    for layer in reversed(layers[:-1]):
        if layer["name"] in wanted:
            wanted |= {*layer["inputs"], layer.get("layer", layer["name"])}
            kept.append(layer)
    return kept[::-1]


def _with(layers: Layers, function: str) -> Layers:
    name = f"to_{function}"
    while any(layer["name"] == name for layer in layers):
        name += "_"
    return [*layers, {"name": name, "kind": "Activation", "inputs": [layers[-1]["name"]], "function": function}]


def steps_of_layer(layer: Layer, source: Source) -> list[Step]:
    """Translate a layer.

    Args:
        layer: The layer.
        source: Facts of the whole file.

    Returns:
        The steps; none for a layer that does nothing when predicting.

    Raises:
        DataError: The layer, which the message names, is not known, holds code, or is used in a way that is not
            supported.
    """
    if layer.class_name in _CODE:
        raise DataError(
            f"Layer {layer.name!r} ({layer.class_name}) holds Python code, which is not executed. Replace it by layers "
            "of Keras (Rescaling, Activation, UpSampling2D, ...) and save the model again."
        )
    if layer.class_name in _IDENTITIES:
        return []
    kind = layer.class_name.removesuffix("V1").removesuffix("V2")
    if kind not in _TRANSLATORS:
        raise DataError(
            f"Layer {layer.name!r} is a {layer.class_name}, which is not supported. "
            f"Supported are {', '.join(sorted([*_TRANSLATORS, *_IDENTITIES]))}."
        )
    try:
        return _TRANSLATORS[kind](layer, source)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"The configuration of layer {layer.name!r} cannot be read ({error!r}).") from error


def _batch_norm(layer: Layer, source: Source) -> list[Step]:
    _check_channel_axis(layer, source)
    if layer.config.get("renorm") or layer.config.get("virtual_batch_size"):
        raise DataError(f"Layer {layer.name!r} normalises with renorm or virtual batches, which is not supported.")
    roles = {"gamma": layer.config.get("scale", True), "beta": layer.config.get("center", True)}
    arrays = source.store(
        layer, [name for name, is_there in roles.items() if is_there] + ["moving_mean", "moving_variance"]
    )
    mean = arrays["moving_mean"]
    weights: Arrays = {
        "weight": arrays.get("gamma", np.ones_like(mean)),
        "bias": arrays.get("beta", np.zeros_like(mean)),
        "running_mean": mean,
        "running_var": arrays["moving_variance"],
        "num_batches_tracked": np.zeros((), np.int64),
    }
    options = {
        "channels": len(mean),
        "epsilon": float(layer.config.get("epsilon", 1e-3)),
        "momentum": float(layer.config.get("momentum", 0.99)),
    }
    return [Step("BatchNormalization", options, weights)]


def _activation(layer: Layer, source: Source) -> list[Step]:
    options = activation_from_layer(layer.class_name, layer.config, layer.name, keras=source.keras)
    if options.get("function") == "softmax" and layer.class_name == "Softmax":
        _check_channel_axis(layer, source)
    return [Step("Activation", options)] if options else []


def _prelu(layer: Layer, source: Source) -> list[Step]:
    alpha = source.store(layer, ("alpha",))["alpha"]
    channels = alpha.shape[0] if source.channels_first else alpha.shape[-1]
    if alpha.size != channels:
        raise DataError(
            f"Layer {layer.name!r} has a slope for each pixel, so that it works at one size of image only. "
            "Train it with shared_axes=[1, 2]."
        )
    return [Step("PReLU", {"channels": channels}, {"weight": alpha.reshape(-1)})]


def _pooling(layer: Layer, source: Source) -> list[Step]:
    size = pair_of(layer.config["pool_size"], 1)
    strides = layer.config.get("strides")
    options = {
        "kernel_size": size,
        "strides": size if strides is None else pair_of(strides, 1),
        "padding": padding_of(layer),
    }
    return [Step(layer.class_name, options)]


def _upsampling(layer: Layer, source: Source) -> list[Step]:
    interpolation = layer.config.get("interpolation", "nearest")
    if interpolation not in ("nearest", "bilinear"):
        raise DataError(f"Layer {layer.name!r} enlarges by {interpolation}; supported are nearest and bilinear.")
    return [Step("UpSampling2D", {"size": pair_of(layer.config.get("size", 2), 1), "interpolation": interpolation})]


def _normalization(layer: Layer, source: Source) -> list[Step]:
    _check_channel_axis(layer, source)
    if layer.config.get("mean") is not None:
        mean, variance = layer.config["mean"], layer.config["variance"]
    else:
        arrays = source.store(layer, ("mean", "variance"))
        mean, variance = arrays["mean"], arrays["variance"]
    mean, deviation = np.ravel(mean), np.maximum(np.sqrt(np.ravel(np.asarray(variance, np.float64))), 1e-7)
    if layer.config.get("invert"):
        return [Step("Rescaling", {"scale": deviation.tolist(), "offset": mean.tolist()})]
    return [Step("Rescaling", {"scale": (1 / deviation).tolist(), "offset": (-mean / deviation).tolist()})]


def _reshape(layer: Layer, source: Source) -> list[Step]:
    shape = list(layer.config["target_shape"])
    pixels = shape[1:] if source.channels_first else shape[:2]
    if len(shape) != 3 or pixels != [1, 1]:
        raise DataError(
            f"Layer {layer.name!r} reshapes to {shape}, which is not supported. Leave it out and save again."
        )
    return [Step("Vector")]


def _check_channel_axis(layer: Layer, source: Source) -> None:
    axis = layer.config.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if axes not in ([[1], [-3]] if source.channels_first else [[3], [-1]]):
        raise DataError(f"Layer {layer.name!r} works along axis {axis}, which is not that of the channels.")


def _sides(value: Any, sign: int) -> list[list[int]]:
    axes = value if isinstance(value, Sequence) else (value, value)
    return [[sign * pixels for pixels in pair_of(axis)] for axis in axes]


_Translator = Callable[[Layer, Source], list[Step]]


def _plain(layer: Layer, source: Source) -> list[Step]:
    if layer.class_name == "Concatenate":
        _check_channel_axis(layer, source)
    return [Step(layer.class_name)]


_CODE = {"Lambda", "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod"}
_IDENTITIES = {
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity"),
    *RANDOM_LAYERS,
}
_TRANSLATORS: dict[str, _Translator] = {
    **dict.fromkeys(CONVOLUTIONS, steps_of_convolution),
    "BatchNormalization": _batch_norm,
    "PReLU": _prelu,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": lambda layer, _: [Step("Pad2D", {"pixels": _sides(layer.config["padding"], 1)})],
    "Cropping2D": lambda layer, _: [Step("Pad2D", {"pixels": _sides(layer.config["cropping"], -1)})],
    "Concatenate": _plain,
    "Rescaling": lambda layer, _: [
        Step(
            "Rescaling",
            {name: np.asarray(layer.config[name], np.float64).ravel().tolist() for name in ("scale", "offset")},
        )
    ],
    "Normalization": _normalization,
    "Reshape": _reshape,
    **dict.fromkeys(ACTIVATION_LAYERS, _activation),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout2D"),
        lambda layer, _: [Step(layer.class_name, {"rate": float(layer.config.get("rate", 0.5))})],
    ),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalMaxPooling2D"), _plain),
    **dict.fromkeys(("Add", "Average", "Subtract", "Multiply", "Maximum", "Minimum"), _plain),
}

"""Read a model that Keras saved, and build its network in PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from overland.errors import DataError, UsageError
from overland.importers.keras.file import open_keras_file
from overland.importers.keras.steps import Source
from overland.importers.keras.topology import Call, calls_from_config
from overland.importers.keras.translate import ending_of, steps_of_layer
from overland.models.keras.network import RESERVED_NAMES, KerasNetwork

__all__ = ["KerasModel", "network_from_keras", "read_keras_model"]

Layers = list[Mapping[str, Any]]


@dataclass(frozen=True)
class KerasModel:
    """A network as Keras saved it, in the words of `KerasNetwork`.

    Args:
        layers: Layers that give logits.
        weights: Arrays by their names in PyTorch.
        in_channels: Number of bands.
        classes: Number of logits.
        activation: Function that makes probabilities of the logits.
        input_shape: Height and width that the model was made for, None where they are free.
        version: Version of Keras.
        notes: Sentences that people should know.
    """

    layers: Sequence[Mapping[str, Any]]
    weights: Mapping[str, npt.NDArray[Any]]
    in_channels: int
    classes: int
    activation: Literal["sigmoid", "softmax"]
    input_shape: tuple[int | None, int | None]
    version: str
    notes: tuple[str, ...]


def read_keras_model(path: str | Path) -> KerasModel:
    """Read a whole model without Keras; nothing in the file is executed.

    Args:
        path: An .h5 of Keras 2 or 3, or a .keras file.

    Raises:
        DataError: The file is no such model or is damaged, or the network has layers which are not supported, holds
            code, or makes no map; the message names the layer.
    """
    with open_keras_file(path) as file:
        try:
            calls, output = calls_from_config(file.config)
            shape = _input_shape(calls)
            formats = {
                str(call.layer.config["data_format"] or "channels_last")
                for call in calls
                if "data_format" in call.layer.config
            }
            if len(formats) > 1:
                raise DataError("Some layers of the model have channels first and some last; save it with one of them.")
            channels_first = formats == {"channels_first"}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(f"{path}: the configuration of the network cannot be read ({error!r}).") from error
        number = file.version.partition(".")[0]
        source = Source(int(number) if number.isdigit() else 3, channels_first, file.store)
        layers, weights = _layers_of(calls, output, source)
    height, width, in_channels = (*shape[1:], shape[0]) if channels_first else shape
    in_channels, classes = _count_channels(layers, in_channels)
    ending = ending_of(layers, classes)
    notes = [ending.note] if ending.note else []
    if any(layer.get("interpolation") == "bilinear" for layer in layers) and re.match(r"2\.[0-3]\.", file.version):
        notes.insert(
            0,
            f"Keras {file.version} with TensorFlow 1 enlarged images bilinearly by another rule than TensorFlow 2, "
            "whose rule is used here: compare the maps.",
        )
    kept = {layer["name"] for layer in ending.layers}
    return KerasModel(
        layers=ending.layers,
        weights={name: array for name, array in weights.items() if name.partition(".")[0] in kept},
        in_channels=in_channels,
        classes=classes,
        activation=ending.activation,
        input_shape=(height, width),
        version=file.version,
        notes=tuple(notes),
    )


def network_from_keras(model: KerasModel) -> KerasNetwork:
    """Build the network with its weights, in evaluation mode.

    Args:
        model: The network as it was read.

    Raises:
        DataError: The weights do not fit the network.
    """
    network = _built(model.layers, model.in_channels, model.classes)
    state = {name: torch.from_numpy(np.array(array, order="C")) for name, array in model.weights.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(f"The weights in the file are not of the network in it ({_in_one_line(error)}).") from error
    return network.eval()


def _layers_of(calls: Sequence[Call], output: int, source: Source) -> tuple[Layers, dict[str, npt.NDArray[Any]]]:
    """Translate the calls that the output depends on to layers and their weights."""
    layers: Layers = []
    weights: dict[str, npt.NDArray[Any]] = {}
    results: dict[int, str] = {}
    first_names: dict[tuple[tuple[str, ...], int], str] = {}
    # The calls that the output depends on, in order, the output last.
    wanted = {output}
    for index in range(len(calls) - 1, -1, -1):
        if index in wanted:
            wanted |= set(calls[index].inputs)
    for index in sorted(wanted):
        layer = calls[index].layer
        if layer.class_name == "InputLayer":
            results[index] = "image"
            continue
        inputs = [results[number] for number in calls[index].inputs]
        for number, step in enumerate(steps_of_layer(layer, source)):
            name = "_".join([*layer.path, step.suffix] if step.suffix else layer.path)
            # PyTorch splits the names of weights at dots.
            name = re.sub(r"\W", "_", name) or "layer"
            taken = RESERVED_NAMES | {layer["name"] for layer in layers}
            while name in taken:
                name += "_"
            owner = first_names.setdefault((layer.path, number), name)
            if owner != name and step.weights:
                layers.append({"name": name, "kind": "Shared", "inputs": list(inputs), "layer": owner})
            else:
                layers.append({"name": name, "kind": step.kind, "inputs": list(inputs), **step.options})
            if owner == name:
                weights |= {f"{name}.{key}": array for key, array in step.weights.items()}
            inputs = [name]
        if len(inputs) != 1:
            raise DataError(f"Layer {layer.name!r} takes {len(inputs)} inputs, which a {layer.class_name} does not.")
        results[index] = inputs[0]
    if not layers or results[output] != layers[-1]["name"]:
        raise DataError("The model gives its image back as it is; there is no network in it.")
    return layers, weights


def _input_shape(calls: Sequence[Call]) -> tuple[int | None, int | None, int | None]:
    layer = next(call.layer for call in calls if call.layer.class_name == "InputLayer")
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    if shape is None:
        return (None, None, None)
    if len(shape) != 4:
        raise DataError(f"The model takes inputs of the shape {shape}, not images (batch, height, width, channels).")
    first, second, third = (None if side is None else int(side) for side in shape[1:])
    return first, second, third


def _count_channels(layers: Layers, in_channels: int | None) -> tuple[int, int]:
    """Count the bands, where the input does not say them, and the results for each pixel."""
    if not in_channels:
        told = [layer for layer in layers if "in_channels" in layer or "channels" in layer]
        if not told:
            raise DataError("The model does not say how many bands it takes; save it with an Input of a known shape.")
        in_channels = int(told[0].get("in_channels", told[0].get("channels")))
    # A run without numbers, on PyTorch's meta device.
    with torch.device("meta"):
        network = _built(layers, in_channels, 0)
        try:
            results = network.eval()(torch.empty(1, in_channels, network.size_divisor, network.size_divisor))
        except RuntimeError as error:
            raise DataError(f"The layers of the network do not fit together ({_in_one_line(error)}).") from error
    return in_channels, int(results.shape[1])


def _built(layers: Sequence[Mapping[str, Any]], in_channels: int, classes: int) -> KerasNetwork:
    try:
        return KerasNetwork(in_channels, classes, layers)
    except (ValueError, RuntimeError, UsageError) as error:
        raise DataError(f"The network cannot be built ({_in_one_line(error)}). Save the model again.") from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

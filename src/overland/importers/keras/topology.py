"""From a saved model's configuration to its calls in order: which layer takes which results.

A call is written in the notation of Keras 2 (lists) or of Keras 3 (mappings). Nested models are taken apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overland.errors import DataError

__all__ = ["RANDOM_LAYERS", "Call", "Layer", "Reference", "calls_from_config", "references_of", "taken_by"]

Reference = tuple[str, int, int]
"""A layer's name, the number of its call and the number of the result that is meant."""

RANDOM_LAYERS = frozenset(
    {
        *("AugMix", "CutMix", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration"),
        *("RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip"),
        *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
        *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear"),
        *("RandomTranslation", "RandomZoom", "Solarization"),
    }
)
"""Layers of Keras that change images in training and give them back as they are in prediction.

Keras 3 calls them with training=True by default and writes that into the model; whoever predicts overrules it."""

_MODELS = {"Sequential", "Functional", "Model"}
_DEEPEST, _MOST_CALLS = 8, 5000


def taken_by(node: Any, layer: str, *, is_random: bool = False) -> list[Reference]:
    """Read the results that one call of a layer takes, as Keras 3 (a mapping) or Keras 2 (a list) writes them.

    Args:
        node: The call.
        layer: Name of the layer, for messages.
        is_random: The layer is one of `RANDOM_LAYERS`, so that its training mode does not matter.

    Raises:
        DataError: The call takes anything but results of other layers, or is in training mode.
    """
    if isinstance(node, dict):
        _check_keywords(node.get("kwargs") or {}, layer, is_random)
        return [reference for argument in node.get("args", []) for reference in _tensors(argument, layer)]
    items = [node] if node and isinstance(node[0], str) else node
    for item in items:
        if not isinstance(item, list) or len(item) < 3 or item[0] == "_CONSTANT_VALUE":
            raise _not_a_tensor(layer, item)
        _check_keywords(item[3] if len(item) > 3 else {}, layer, is_random)
    return [(str(item[0]), int(item[1]), int(item[2])) for item in items]


def _tensors(argument: Any, layer: str) -> Iterator[Reference]:
    if isinstance(argument, list):
        for item in argument:
            yield from _tensors(item, layer)
    elif isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
        name, call, index = argument["config"]["keras_history"]
        yield str(name), int(call), int(index)
    elif argument is not None:
        raise _not_a_tensor(layer, argument)


def _check_keywords(keywords: Mapping[str, Any], layer: str, is_random: bool) -> None:
    if keywords.get("training") and not is_random:
        raise DataError(
            f"Layer {layer!r} is called with training=True, so that it gives another result each time or depends "
            "on the batch. Save the model without it."
        )
    others = [name for name, value in keywords.items() if name not in ("training", "mask") and value is not None]
    if others:
        raise _not_a_tensor(layer, others)


def _not_a_tensor(layer: str, found: Any) -> DataError:
    return DataError(
        f"Layer {layer!r} is called with {str(found)[:80]}, not only with results of other "
        "layers. Replace the operation by a layer (Rescaling, Add, ...) and save the model again."
    )


def references_of(values: Any) -> list[Reference]:
    """Read the results that a model takes or gives, whichever way they are listed.

    Args:
        values: `input_layers` or `output_layers` of a configuration.

    Raises:
        DataError: There are none.
    """
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list) and len(values) == 3 and isinstance(values[0], str):
        values = [values]
    if not isinstance(values, list) or not values:
        raise DataError("The configuration does not say what the model takes and gives; the file is damaged.")
    return [(str(name), int(call), int(index)) for name, call, index in values]


@dataclass(frozen=True)
class Layer:
    """A layer as configured.

    Args:
        class_name: Name of its class in Keras.
        config: Its configuration.
        path: Names of the models down to it, and its own.
        stored: The same in the numbered names of a .keras file.
    """

    class_name: str
    config: Mapping[str, Any]
    path: tuple[str, ...]
    stored: tuple[str, ...]

    @property
    def name(self) -> str:
        """The names down to the layer, for people."""
        return "/".join(self.path)


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Args:
        layer: The layer.
        inputs: Numbers of the calls whose results it takes.
    """

    layer: Layer
    inputs: tuple[int, ...]


def calls_from_config(config: Mapping[str, Any]) -> tuple[list[Call], int]:
    """Put the layers of a Sequential or Functional model in the order of computation.

    Args:
        config: The `model_config` that Keras 2 or 3 saves.

    Returns:
        The calls, with one InputLayer, and the number of the call that gives the result.

    Raises:
        DataError: The model has several inputs or outputs, was made by subclassing, or has calls that only Python code
            can tell.
    """
    calls: list[Call] = []
    outputs = _expand(config, (), (), None, calls)
    inputs = [call.layer.name for call in calls if call.layer.class_name == "InputLayer"]
    for word, found in (("inputs", inputs), ("outputs", [calls[index].layer.name for index in outputs])):
        if len(found) != 1:
            raise DataError(
                f"The model has {len(found)} {word} ({', '.join(found)}); a map needs one. Save a model of the one "
                "that matters: keras.Model(model.inputs, model.outputs[0]).save('one.keras')."
            )
    return calls, outputs[0]


def _expand(
    model: Mapping[str, Any],
    path: tuple[str, ...],
    stored: tuple[str, ...],
    inputs: Sequence[int] | None,
    calls: list[Call],
) -> list[int]:
    """Add a model's calls, with `inputs` in place of its own input layers; gives the numbers of its results."""
    if len(path) > _DEEPEST:
        raise DataError(f"Models are nested more than {_DEEPEST} deep at {'/'.join(path)}; the file is not read.")
    config = model.get("config")
    entries = config if isinstance(config, list) else config.get("layers") if isinstance(config, dict) else None
    if model.get("class_name") not in _MODELS or not isinstance(entries, list) or not entries:
        raise DataError(
            f"{'/'.join(path) or 'The model'} is a {model.get('class_name')} made in Python code, which is not "
            "executed. Build it with the functional API of Keras, copy the weights over and save that."
        )
    layers = _layers(entries, path, stored)
    if model["class_name"] == "Sequential" or not isinstance(config, dict):
        pairs = list(zip(layers, entries, strict=True))
        if inputs is None:
            shape = _input_shape(entries[0]) or (config.get("build_input_shape") if isinstance(config, dict) else None)
            source = Layer("InputLayer", {"name": "input", "batch_shape": shape}, ("input",), ("input",))
            inputs = _add(source, {}, (), calls)
        if len(inputs) != 1:
            raise DataError(f"{layers[0].name} is in a chain of layers that is given {len(inputs)} inputs.")
        for layer, entry in pairs:
            if layer.class_name != "InputLayer":
                inputs = _add(layer, entry, inputs, calls)
        return [inputs[0]]
    return _add_graph(config, entries, layers, inputs, calls)


def _layers(entries: Sequence[Any], path: tuple[str, ...], stored: tuple[str, ...]) -> list[Layer]:
    counts: Counter[str] = Counter()
    layers = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
            raise DataError("The configuration lists a layer without a class; the file is damaged.")
        settings = entry.get("config")
        settings = settings if isinstance(settings, dict) else {"layers": settings}
        module, registered = entry.get("module"), entry.get("registered_name")
        is_foreign = isinstance(module, str) and module.partition(".")[0] not in ("keras", "tf_keras", "tensorflow")
        if is_foreign or (isinstance(registered, str) and ">" in registered):
            raise DataError(
                f"Layer {settings.get('name')!r} is of the class {registered or entry['class_name']} from your own "
                "code, which is not executed. Replace it by layers of Keras and save the model again."
            )
        name = str(settings.get("name", entry.get("name", entry["class_name"])))
        spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", entry["class_name"]))
        kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()
        number = counts[kind]
        counts[kind] += 1
        numbered = f"{kind}_{number}" if number else kind
        layers.append(Layer(entry["class_name"], settings, (*path, name), (*stored, numbered)))
    return layers


def _add(layer: Layer, entry: Mapping[str, Any], inputs: Sequence[int], calls: list[Call]) -> list[int]:
    """Add one call, or all those of a nested model; gives the numbers of its results."""
    if layer.class_name in _MODELS:
        return _expand(entry, layer.path, layer.stored, inputs, calls)
    if len(calls) >= _MOST_CALLS:
        raise DataError(f"The model has more than {_MOST_CALLS} layers; the file is not read.")
    calls.append(Call(layer, tuple(inputs)))
    return [len(calls) - 1]


def _input_shape(entry: Any) -> Any:
    """Return the shape that a first layer is told; of a model, that of its own first layer."""
    config = entry.get("config") if isinstance(entry, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    if isinstance(layers, list) and layers:
        return _input_shape(layers[0])
    return (config or {}).get("batch_shape", (config or {}).get("batch_input_shape"))


def _add_graph(
    config: Mapping[str, Any],
    entries: Sequence[Any],
    layers: Sequence[Layer],
    inputs: Sequence[int] | None,
    calls: list[Call],
) -> list[int]:
    outputs = references_of(config.get("output_layers"))
    known: dict[Reference, int] = {}
    if inputs is not None:
        names = [name for name, _, _ in references_of(config.get("input_layers"))]
        if len(names) != len(inputs):
            raise DataError(f"{layers[0].name} is in a model of {len(names)} inputs that is given {len(inputs)}.")
        known = {(name, 0, 0): index for name, index in zip(names, inputs, strict=True)}
    pending = list(_pending_calls(entries, layers, outputs, known))
    while pending:
        waiting = []
        for layer, entry, number, taken in pending:
            if all(reference in known for reference in taken):
                results = _add(layer, entry, [known[reference] for reference in taken], calls)
                known |= {(layer.path[-1], number, index): result for index, result in enumerate(results)}
            else:
                waiting.append((layer, entry, number, taken))
        if len(waiting) == len(pending):
            raise DataError(f"Layer {waiting[0][0].name!r} takes what no layer gives; the file is damaged.")
        pending = waiting
    missing = [name for name, call, index in outputs if (name, call, index) not in known]
    if missing:
        raise DataError(f"The model gives the result of {missing[0]!r}, which is no layer of it; the file is damaged.")
    return [known[reference] for reference in outputs]


def _pending_calls(
    entries: Sequence[Any], layers: Sequence[Layer], outputs: Sequence[Reference], known: Mapping[Reference, int]
) -> Iterator[tuple[Layer, Mapping[str, Any], int, list[Reference]]]:
    nodes = [
        [
            taken_by(node, layer.name, is_random=layer.class_name in RANDOM_LAYERS)
            for node in entry.get("inbound_nodes") or []
        ]
        for entry, layer in zip(entries, layers, strict=True)
    ]
    used = [reference for node in nodes for taken in node for reference in taken]
    for layer, entry, taken in zip(layers, entries, nodes, strict=True):
        name = layer.path[-1]
        if layer.class_name == "InputLayer":
            if (name, 0, 0) not in known:
                yield layer, entry, 0, []
            continue
        # Keras counts the calls of a nested model from 1 in some versions: 0 is its own construction.
        first = min((call for other, call, _ in [*used, *outputs] if other == name), default=0)
        yield from ((layer, entry, first + number, each) for number, each in enumerate(taken))

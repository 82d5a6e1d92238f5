"""What a call in a saved model's configuration takes and gives: the notation of Keras 2 and of Keras 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from overland.errors import DataError

__all__ = ["Reference", "references_of", "taken_by"]

Reference = tuple[str, int, int]
"""A layer's name, the number of its call and the number of the result that is meant."""


def taken_by(node: Any, layer: str) -> list[Reference]:
    """The results that one call of a layer takes, as Keras 3 (a mapping) or Keras 2 (a list) writes them.

    Raises `DataError` for a call with anything but results of other layers, or one in training mode.
    """
    if isinstance(node, dict):
        _check_keywords(node.get("kwargs") or {}, layer)
        return [reference for argument in node.get("args", []) for reference in _tensors(argument, layer)]
    items = [node] if node and isinstance(node[0], str) else node
    for item in items:
        if not isinstance(item, list) or len(item) < 3 or item[0] == "_CONSTANT_VALUE":
            raise _not_a_tensor(layer, item)
        _check_keywords(item[3] if len(item) > 3 else {}, layer)
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


def _check_keywords(keywords: Mapping[str, Any], layer: str) -> None:
    if keywords.get("training"):
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
    """The results that a model takes or gives, whichever way they are listed."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list) and len(values) == 3 and isinstance(values[0], str):
        values = [values]
    if not isinstance(values, list) or not values:
        raise DataError("The configuration does not say what the model takes and gives; the file is damaged.")
    return [(str(name), int(call), int(index)) for name, call, index in values]

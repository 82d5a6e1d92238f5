"""A network that is a list of layers, each with the names of those whose results it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from overland.errors import UsageError
from overland.models.keras.layers import build_layer
from overland.models.keras.sizes import plan_sizes

__all__ = ["RESERVED_NAMES", "KerasNetwork"]

RESERVED_NAMES = frozenset({"image", "size_divisor", *dir(nn.Module())})
"""Names that no layer can have: that of the input, and what a PyTorch module has already."""


class KerasNetwork(nn.Module):
    """Network of Keras layers, computed as Keras computes them with TensorFlow.

    Each of `layers` is a mapping with a unique `name`, a `kind`, the names of its `inputs` ("image" is that of the
    network's input) and the options of that kind; the last gives the logits. A layer of kind "Shared" uses the weights
    of its `layer` once more. Everything in it is plain JSON; `read_keras_model` writes it. Raises `UsageError` for a
    list that makes no network and `DataError` for one that makes no map.
    """

    def __init__(self, in_channels: int, classes: int, layers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        _check_layers(layers)
        plan = plan_sizes([_with_options(layer, layers) for layer in layers])
        self.size_divisor = plan.divisor
        self._calls = [(layer.get("layer", layer["name"]), layer["name"], tuple(layer["inputs"])) for layer in layers]
        self._last_uses = _last_uses(self._calls)
        for layer in layers:
            name = layer["name"]
            if layer["kind"] != "Shared":
                self.add_module(name, build_layer(layer, plan.padding[name]))
            elif plan.padding[name] != plan.padding[layer["layer"]]:
                raise UsageError(f"Layer {layer['layer']!r} is used at two places with different padding.")

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, height, width) of scaled chips (batch, in_channels, height, width)."""
        results = {"image": image}
        for (module, name, inputs), done in zip(self._calls, self._last_uses, strict=True):
            results[name] = self.get_submodule(module)(*(results[source] for source in inputs))
            for source in done:
                del results[source]
        return results[self._calls[-1][1]]


def _check_layers(layers: Sequence[Mapping[str, Any]]) -> None:
    known = {"image"}
    for layer in layers:
        name = layer["name"]
        if name in known or name in RESERVED_NAMES or "." in name:
            raise UsageError(f"A layer of a KerasNetwork cannot be called {name!r} (again).")
        wanted = {*layer["inputs"], *([layer["layer"]] if layer["kind"] == "Shared" else [])}
        if not layer["inputs"] or not wanted <= known:
            raise UsageError(f"Layer {name!r} of a KerasNetwork takes {sorted(wanted)}, which are not before it.")
        known.add(name)
    if not layers:
        raise UsageError("A KerasNetwork needs at least one layer.")


def _with_options(layer: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The layer; one that is used once more with the options of its first use."""
    if layer["kind"] != "Shared":
        return layer
    first = next(other for other in layers if other["name"] == layer["layer"])
    return {**first, "name": layer["name"], "inputs": layer["inputs"]}


def _last_uses(calls: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[list[str]]:
    """For each call the results that no later one takes, so that their memory is free again."""
    seen: set[str] = set()
    last = []
    for _, _, inputs in reversed(calls):
        last.append([source for source in dict.fromkeys(inputs) if source not in seen])
        seen |= set(inputs)
    return last[::-1]

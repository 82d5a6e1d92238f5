"""How a network ends: its last activation is taken off, so that it gives logits as every other network here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from overland.errors import DataError

__all__ = ["Ending", "ending_of"]

Layers = list[Mapping[str, Any]]

# Sizes change in these, scores do not: what comes out is a probability if what goes in is.
_KEEPS_SCORES = {"UpSampling2D", "Pad2D", "AveragePooling2D", "MaxPooling2D", "Dropout", "SpatialDropout2D"}


@dataclass(frozen=True)
class Ending:
    """The layers that give logits, the `activation` that makes scores of them, and what people should know of it."""

    layers: Layers
    activation: Literal["sigmoid", "softmax"]
    note: str | None


def ending_of(layers: Sequence[Mapping[str, Any]], classes: int) -> Ending:
    """Work out from a network's last layers what its `classes` results are, and make logits of them.

    The scores of the bundle are then those of the network: exactly for a sigmoid of one score, a softmax, and scores
    from 0 to 1 that were made in another way. Independent sigmoids of several classes are divided by their sum, which
    leaves the largest the largest. A network without a last activation gives logits. Raises `DataError` for results
    that are neither scores nor logits.
    """
    kept = list(layers)
    while len(kept) > 1 and "Dropout" in kept[-1]["kind"]:
        kept.pop()
    function = kept[-1].get("function") if kept[-1]["kind"] == "Activation" else None
    if classes == 1:
        return _one_score(kept, function)
    if function == "softmax":
        return Ending(_without_last(kept), "softmax", None)
    if function == "sigmoid":
        note = (
            f"The network ends in {classes} independent sigmoids: the class of a pixel is the one with the largest, "
            "and the scores of a pixel are divided by their sum."
        )
        return Ending(_with(_without_last(kept), "log_sigmoid"), "softmax", note)
    if _score_function(kept) in ("softmax", "sigmoid"):
        return Ending(_with(kept, "log"), "softmax", None)
    last = function or "no activation"
    return Ending(
        kept, "softmax", f"The network ends in {last}: its results are taken for logits, to which softmax is applied."
    )


def _one_score(kept: Layers, function: str | None) -> Ending:
    if function == "sigmoid":
        return Ending(_without_last(kept), "sigmoid", None)
    if _score_function(kept) == "sigmoid":
        return Ending(_with(kept, "logit"), "sigmoid", None)
    if function in ("relu", "hard_sigmoid"):
        note = f"The network ends in {function}: its results are taken for scores from 0 to 1, larger ones for 1."
        return Ending(_with(kept, "logit"), "sigmoid", note)
    if function is None:
        note = "The network ends without an activation: its results are taken for logits, to which sigmoid is applied."
        return Ending(kept, "sigmoid", note)
    raise DataError(
        f"The network ends in one {function}, which is neither a score from 0 to 1 nor a logit. End it in a sigmoid, "
        "or in a softmax over two or more classes."
    )


def _score_function(layers: Layers) -> str | None:
    """The activation that the result has gone through, where nothing after it made it anything but a score."""
    by_name = {layer["name"]: layer for layer in layers}
    layer = layers[-1]
    while layer["kind"] in _KEEPS_SCORES and layer["inputs"][0] in by_name:
        layer = by_name[layer["inputs"][0]]
    return layer.get("function") if layer["kind"] == "Activation" else None


def _without_last(layers: Layers) -> Layers:
    """The layers up to those whose result the last activation takes, which becomes the result."""
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

"""A layer on its way from Keras to a `KerasNetwork`, and how its options are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from overland.errors import DataError
from overland.models.keras.topology import Layer
from overland.models.keras.weights import WeightStore

__all__ = ["Arrays", "Source", "Step", "padding_of", "pair_of"]

_LARGEST_OPTION = 4096  # of strides, padding and the like: no network has more, and memory is not given away

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Step:
    """A layer of a `KerasNetwork` without name and inputs; `weights` by their name in the PyTorch module."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Source:
    """What holds for the whole file: Keras's major version, the order of axes, and where the weights are."""

    keras: int
    channels_first: bool
    store: WeightStore


def padding_of(layer: Layer) -> str:
    """The padding of a layer, "same" or "valid"; raises `DataError` for any other."""
    padding = str(layer.config.get("padding", "valid")).lower()
    if padding not in ("same", "valid"):
        raise DataError(f"Layer {layer.name!r} pads by {padding!r}; supported are same and valid.")
    return padding


def pair_of(value: Any, least: int = 0) -> list[int]:
    """Two whole numbers, given as one or two; raises `ValueError` where they are smaller or far too large."""
    pair = [int(item) for item in (value if isinstance(value, Sequence) else (value, value))]
    if len(pair) != 2 or not all(least <= item <= _LARGEST_OPTION for item in pair):
        raise ValueError(f"{value} is not two numbers from {least} to {_LARGEST_OPTION}")
    return pair

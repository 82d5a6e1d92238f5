"""Keras's activation functions in PyTorch, and how its configurations name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overland.errors import DataError, UsageError

__all__ = ["ACTIVATION_LAYERS", "Activation", "activation_from_config", "activation_from_layer"]

_SMALLEST = 1e-7  # Keras's own epsilon, where a logarithm is taken of a probability


class Activation(nn.Module):
    """One of Keras's functions of a number, with its options.

    Args:
        function: Its name; an unknown one raises `UsageError`.
        **options: Options of the function, such as `negative_slope`.
    """

    def __init__(self, function: str, **options: float | None) -> None:
        super().__init__()
        if function not in _FUNCTIONS:
            raise UsageError(f"There is no activation {function!r}. There are {', '.join(_FUNCTIONS)}.")
        self._function = _FUNCTIONS[function]
        self._options = options

    def forward(self, x: Tensor) -> Tensor:
        """Return the function of each number.

        Args:
            x: Numbers (n, channels, h, w).
        """
        return self._function(x, **self._options)


def _relu(x: Tensor, *, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Tensor:
    if threshold == 0 and negative_slope == 0:
        return F.relu(x) if max_value is None else x.clamp(0, max_value)
    below = negative_slope * (x - threshold)
    kept = torch.where(x >= threshold, x, below)
    return kept if max_value is None else kept.clamp(max=max_value)


def _logit(x: Tensor) -> Tensor:
    # The inverse of sigmoid, so that probabilities which a network gives in another way come out as they are.
    inside = x.clamp(_SMALLEST, 1 - _SMALLEST)
    return torch.log(inside) - torch.log1p(-inside)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "relu": _relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
    "exponential": torch.exp,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x, *, slope: (slope * x + 0.5).clamp(0, 1),
    "hard_silu": F.hardswish,
    "softmax": lambda x: F.softmax(x, dim=1),
    "log_sigmoid": F.logsigmoid,
    "logit": _logit,
    "log": lambda x: x.clamp(min=_SMALLEST).log(),
}

_NAMES: dict[str, dict[str, Any]] = {
    **{name: {"function": name} for name in ("relu", "elu", "selu", "silu", "gelu", "mish", "softplus", "softsign")},
    **{name: {"function": name} for name in ("tanh", "exponential", "sigmoid", "softmax", "hard_silu")},
    "log_sigmoid": {"function": "log_sigmoid"},
    "swish": {"function": "silu"},
    "hard_swish": {"function": "hard_silu"},
    "relu6": {"function": "relu", "max_value": 6.0},
    "leaky_relu": {"function": "leaky_relu", "negative_slope": 0.2},
    "linear": {},
}

ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
"""Layers that are one of the functions, without weights."""


def activation_from_config(value: Any, name: str, *, keras: int) -> dict[str, Any]:
    """Read the `activation` of a layer.

    Args:
        value: A name, or a function or layer as Keras serialises it.
        name: Name of the layer, for messages.
        keras: Major version of Keras: hard_sigmoid differs.

    Returns:
        The options of `Activation`, none for the identity.

    Raises:
        DataError: The function is not Keras's own.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        if value.get("class_name") in ACTIVATION_LAYERS and isinstance(value.get("config"), Mapping):
            return activation_from_layer(value["class_name"], value["config"], name, keras=keras)
        if value.get("class_name") != "function" or value.get("registered_name") not in (None, value.get("config")):
            raise _unknown(value.get("class_name"), name)
        value = value.get("config")
    if value == "hard_sigmoid":
        return {"function": "hard_sigmoid", "slope": 0.2 if keras < 3 else 1 / 6}
    if not isinstance(value, str) or value not in _NAMES:
        raise _unknown(value, name)
    return dict(_NAMES[value])


def activation_from_layer(kind: str, config: Mapping[str, Any], name: str, *, keras: int) -> dict[str, Any]:
    """Read a layer of `ACTIVATION_LAYERS`.

    Args:
        kind: Class of the layer.
        config: Its configuration.
        name: Its name, for messages.
        keras: Major version of Keras.

    Returns:
        The options of `Activation`.
    """
    if kind == "Activation":
        return activation_from_config(config["activation"], name, keras=keras)
    if kind == "ReLU":
        limit = config.get("max_value")
        return {
            "function": "relu",
            "max_value": None if limit is None else _number(config, "max_value"),
            "negative_slope": _number(config, "negative_slope", default=0.0),
            "threshold": _number(config, "threshold", default=0.0),
        }
    if kind == "LeakyReLU":
        return {"function": "leaky_relu", "negative_slope": _number(config, "negative_slope", "alpha", default=0.3)}
    if kind == "ELU":
        return {"function": "elu", "alpha": _number(config, "alpha", default=1.0)}
    return {"function": "softmax"}


def _number(config: Mapping[str, Any], *names: str, default: float = 0.0) -> float:
    # Old versions of Keras write a number as {"type": "ndarray", "value": 0.2}.
    value = next((config[name] for name in names if config.get(name) is not None), default)
    return float(value["value"] if isinstance(value, Mapping) else value)


def _unknown(found: Any, name: str) -> DataError:
    return DataError(
        f"Layer {name!r} has the activation {found!r}, which is none of Keras's own; your own code is not executed. "
        f"Known are {', '.join(sorted([*_NAMES, 'hard_sigmoid']))}."
    )

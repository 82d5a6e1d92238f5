"""From settings to a network: our plain U-Net, or any architecture of segmentation_models_pytorch."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from overland.errors import AccessError, UsageError
from overland.models.unet import PlainUnet

__all__ = ["build_model", "model_settings", "size_divisor_of"]

_PLAIN = "PlainUnet"
_SMP_DIVISOR = 32


def model_settings(settings: Mapping[str, Any], *, in_channels: int, classes: int) -> dict[str, Any]:
    """Complete a recipe's `model` with what the data decide; the result builds the same network anywhere.

    `settings` has `architecture` and that architecture's own options; `encoder` is short for `encoder_name`. The
    result has the keys of segmentation_models_pytorch and is what a bundle keeps as `config.json`.
    """
    complete = dict(settings)
    if "encoder" in complete:
        complete["encoder_name"] = complete.pop("encoder")
    complete.setdefault("architecture", _PLAIN)
    return complete | {"in_channels": in_channels, "classes": classes}


def build_model(settings: Mapping[str, Any], *, pretrained: bool = False) -> nn.Module:
    """Build the network that `model_settings` describes: scaled chips (n, c, h, w) to logits (n, classes, h, w).

    `encoder_weights` of the settings are fetched only with `pretrained`, for training; a bundle brings its own.
    Raises `UsageError` for an unknown architecture or option, `AccessError` when weights cannot be fetched.
    """
    options = dict(settings)
    architecture = options.pop("architecture")
    if architecture == _PLAIN:
        return _build_plain(options)
    return _build_from_smp(architecture, options, pretrained)


def size_divisor_of(model: nn.Module) -> int:
    """The number that the sides of a chip must be multiples of."""
    return int(getattr(model, "size_divisor", _SMP_DIVISOR))


def _build_plain(options: dict[str, Any]) -> nn.Module:
    known = inspect.signature(PlainUnet).parameters
    for name in options:
        if name not in known:
            raise UsageError(f"{_PLAIN} has no option {name!r}{_closest(name, known)}. It has {', '.join(known)}.")
    return PlainUnet(**options)


def _build_from_smp(architecture: str, options: dict[str, Any], pretrained: bool) -> nn.Module:
    smp = importlib.import_module("segmentation_models_pytorch")
    architectures = [_PLAIN, *(model.__name__ for model in smp.MODEL_ARCHITECTURES_MAPPING.values())]
    if architecture.lower() not in smp.MODEL_ARCHITECTURES_MAPPING:
        raise UsageError(
            f"There is no architecture {architecture!r}{_closest(architecture, architectures)}. "
            f"There are {', '.join(architectures)}."
        )
    named_weights = options.pop("encoder_weights", None)
    weights = named_weights if pretrained else None
    try:
        model: nn.Module = smp.create_model(architecture, encoder_weights=weights, **options)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{architecture} cannot be built from {options}: {error}") from error
    except OSError as error:
        raise AccessError(
            f"The weights {weights!r} of {options.get('encoder_name')} cannot be fetched ({error}). "
            "Check the network, or set encoder_weights: null to train from scratch."
        ) from error
    return model


def _closest(name: str, known: Any) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""

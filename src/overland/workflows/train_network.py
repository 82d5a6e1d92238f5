"""What a recipe and a dataset together decide about the network and its loss."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from overland.config import TrainConfig
from overland.datasets import Dataset
from overland.datasets.shares import weights_from_shares
from overland.errors import UsageError
from overland.models import loss_needs_class_weights, model_settings

__all__ = ["class_weights_for", "network_settings", "with_void"]

logger = logging.getLogger("overland")

_VOID = "void"


def network_settings(config: TrainConfig, dataset: Dataset, *, bands: int) -> dict[str, Any]:
    """The recipe's `model`, completed with the bands and classes of the data, the encoder and the squashing.

    Two classes on a background have one output and a threshold, unless the recipe asks for two. Raises `UsageError`
    when its number of classes is not that of the data.
    """
    settings = dict(config.model)
    if config.encoder is not None:
        settings.pop("encoder_name", None)
        settings["encoder"] = config.encoder
    if config.encoder_weights is not None:
        settings["encoder_weights"] = config.encoder_weights
    if config.squash:
        settings |= {"squash": config.squash, "squash_nearest": config.squash_nearest}
    legend = dataset.legend
    classes = settings.get("classes") or (1 if legend.is_binary else legend.num_classes)
    if classes not in (1, legend.num_classes) or (classes == 1 and not legend.is_binary):
        raise UsageError(
            f"The model has {classes} classes and {dataset.name} has {legend.num_classes} "
            f"({', '.join(legend.names)}); leave classes out of the recipe's model."
        )
    return model_settings(settings, in_channels=bands, classes=classes)


def with_void(dataset: Dataset) -> Dataset:
    """Ignored pixels as one more class: the network has an output for it, and no score counts it.

    Raises `UsageError` when the dataset has a class of that name.
    """
    legend = dataset.legend
    if _VOID in legend.names:
        raise UsageError(f"void_class adds a class void, but {dataset.root} has one already; leave the setting out.")
    logger.warning("Ignored pixels are trained as a class of their own (void_class), as a published system does.")
    return replace(dataset, legend=replace(legend, names=(*legend.names, _VOID), colors=(*legend.colors, (0, 0, 0))))


def class_weights_for(config: TrainConfig, shares: Mapping[str, float], dataset: Dataset) -> tuple[float, ...] | None:
    """Weight of each class of a dataset in the loss, from the shares in training; None where the loss wants none."""
    if not (config.class_weights or loss_needs_class_weights(config.loss)):
        return None
    return tuple(weights_from_shares({name: shares.get(name, 0.0) for name in dataset.legend.names}).values())

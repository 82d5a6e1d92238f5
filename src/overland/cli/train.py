"""overland train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import yaml

from overland.cli.signature import SignatureCommand, command_from

if TYPE_CHECKING:
    from overland.workflows.train import TrainResult

__all__ = ["command", "show"]

_GROUPS = {
    "Data": ("data", "bands", "imgsz", "chips", "min_foreground", "normalize", "synthetic"),
    "Model": ("model", "encoder", "encoder_weights"),
    "Optimisation": (
        *("epochs", "minutes", "batch", "loss", "class_weights", "optimizer", "lr", "weight_decay", "momentum"),
        *("schedule", "warmup", "lr_factor", "lr_patience", "lr_epochs", "ema", "metrics"),
        *("monitor", "patience", "min_epochs", "min_delta"),
    ),
    "Augmentation": ("flipud", "fliplr", "rotate", "scale", "color", "augment"),
    "Run": ("resume", "device", "amp", "workers", "seed", "project", "name", "exist_ok"),
}


def show(result: TrainResult) -> str:
    """Return the end of a training in words.

    Args:
        result: Scores and paths of the run.

    Returns:
        The validation score, the model and the command to look at it.
    """
    headline = result.val.headline
    name = f"IoU of {headline['class']}" if headline["class"] else "mean IoU"
    synthetic = " on synthetic scenes" if result.val.synthetic else ""
    interval = f" ({headline['confidence']:.0%} interval {headline['low']:.4f} to {headline['high']:.4f})"
    # Of one image there is none.
    known = interval if math.isfinite(headline["low"]) else ""
    lines = [
        f"Validation {name}{synthetic}, pooled: {headline['value']:.4f}{known}",
        f"Model: {result.model}",
        f"Look at it: overland report {result.run}",
    ]
    return "\n".join(lines)


def _mapping(ctx: click.Context, param: click.Parameter, pairs: Sequence[str]) -> dict[str, Any] | None:
    """Read NAME=VALUE pairs whose values are YAML: numbers, lists, true and false are what they look like."""
    found = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not (name and sign and text):
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.")
        try:
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            found[name] = text
    return found or None


command = command_from(
    "overland.workflows.train:train",
    settings="overland.training.settings:TrainSettings",
    show=show,
    examples=(
        "overland train --data my-dataset.yaml",
        "overland train road-unet --data deepglobe-road",
        "overland train street-mobilenet --data camvid --encoder-weights mobilenet_v2.npz --minutes 45",
        "overland train own.yaml --data roads --imgsz 512 --name wide",
        "overland train --data roads --loss dice=1 --loss my_losses:boundary=0.5",
        "overland train --resume runs/segment/train",
    ),
    groups=_GROUPS,
    skip=("data", "recipe", "reproduce"),
    callbacks={"model": _mapping, "loss": _mapping, "metrics": _mapping},
    metavars={"resume": "RUN", "model": "NAME=VALUE", "loss": "NAME=WEIGHT", "metrics": "NAME=CODE"},
    types={"augment": click.STRING},
)
# In Python the data come first, as they alone are required; here the recipe does, as it is the shorter word to type.
assert isinstance(command, SignatureCommand)
command.params[:0] = [
    click.Argument(["recipe"], required=False, metavar="[RECIPE|CONFIG.yaml]"),
    click.Option(["--data"], metavar="DATA", help=command.described["data"]),
]

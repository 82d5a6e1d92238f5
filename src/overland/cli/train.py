"""overland train."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples
from overland.settings import TrainSettings

__all__ = ["command"]

_PLACEHOLDERS = {int: "N", float: "X", str: "TEXT"}


class _Numbers(click.ParamType[list[int]]):
    """Whole numbers with commas between them."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The numbers of a text."""
        try:
            return [int(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"whole numbers with commas between them are wanted, such as 1,2,3; got {value!r}.", param, ctx)


_NUMBERS = _Numbers()


def _setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting of a training run; `model` and `loss` are mappings and live in the YAML file."""
    hints = typing.get_type_hints(TrainSettings)
    for setting in reversed([item for item in fields(TrainSettings) if hints[item.name] != dict[str, Any]]):
        function = _option(setting.name, hints[setting.name], setting.metadata["help"], setting.default)(function)
    return function


def _option(name: str, kind: Any, help_text: str, default: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = "--" + name.replace("_", "-")
    note = "" if default is None else f" [{str(default).lower() if isinstance(default, bool) else default}]"
    if isinstance(kind, types.UnionType):
        kind = kind.__args__[0]
    if typing.get_origin(kind) is tuple:
        short = ["-b"] if name == "bands" else []
        return click.option(*short, flag, name, type=_NUMBERS, default=None, help=help_text)
    if kind is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", name, default=None, help=help_text + note)
    return click.option(flag, name, type=kind, default=None, metavar=_PLACEHOLDERS[kind], help=help_text + note)


@click.command(
    "train",
    epilog=examples(
        "overland train --data my-dataset.yaml",
        "overland train road-unet --data deepglobe-road",
        "overland train street-mobilenet --data camvid --encoder-weights mobilenet_v2.npz --minutes 45",
        "overland train own.yaml --data roads --imgsz 512 --name wide",
        "overland train --resume runs/segment/train",
    ),
)
@click.argument("recipe", required=False, metavar="[RECIPE|CONFIG.yaml]")
@click.option("--data", metavar="DATA", help="Dataset: a folder or a dataset YAML.")
@click.option("--resume", metavar="RUN", help="Go on with a run that was cut off, after its last whole epoch.")
@_setting_options
@common_options
def command(recipe: str | None, data: str | None, resume: str | None, **settings: Any) -> Outcome:
    """Train a model on labelled imagery.

    RECIPE is one of `overland recipes`, unet-small where none is named; CONFIG.yaml holds settings of your own. A
    setting on the command line wins over the file. Values in brackets are defaults where no recipe says otherwise.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None and recipe is not None:
        raise click.UsageError("--resume takes the recipe from the run; give it alone.")
    from overland.workflows.train import train

    result = train(data, recipe, resume=resume, **given)
    return Outcome(result, _text(result))


def _text(result: Mapping[str, Any]) -> str:
    headline = result["val"]["headline"]
    what = f"IoU of {headline['class']}" if headline["class"] else "mean IoU"
    synthetic = " on synthetic scenes" if result["val"]["synthetic"] else ""
    interval = f" ({headline['confidence']:.0%} interval {headline['low']:.4f} to {headline['high']:.4f})"
    # Of one image there is none.
    known = interval if math.isfinite(headline["low"]) else ""
    lines = [
        f"Validation {what}{synthetic}, pooled: {headline['value']:.4f}{known}",
        f"Model: {result['model']}",
        f"Look at it: overland report {result['run']}",
    ]
    return "\n".join(lines)

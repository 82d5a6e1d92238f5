"""`overland evaluate-map`: the scores of a class map against labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from overland.cli.evaluate import score_text
from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.evaluate_map import EvaluateMapResult

__all__ = ["command"]


def _show(result: EvaluateMapResult) -> str:
    """Describe an evaluation for people.

    Args:
        result: The scores.

    Returns:
        Tables and remarks.
    """
    return score_text(result.to_dict())


def _names(context: click.Context, parameter: click.Parameter, value: Sequence[str] | None) -> list[str] | None:
    # In one word or several: --names a,b is --names a --names b.
    given = [value] if isinstance(value, str) else value or []
    return [name.strip() for word in given for name in word.split(",")] or None


command = command_from(
    "overland.workflows.evaluate_map:evaluate_map",
    show=_show,
    examples=(
        "overland evaluate-map map.tif labels.tif",
        "overland evaluate-map mask.png labels.png --names background,road --output scores",
        "overland evaluate-map map.tif labels.tif --roads --boundary 2%",
    ),
    metavars={"names": "NAMES", "boundary": "BAND", "patches": "SIZE"},
    types={"boundary": click.STRING},
    callbacks={"names": _names},
)

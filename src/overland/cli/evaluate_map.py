"""`overland evaluate-map`: the scores of a class map against labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overland.cli.evaluate import score_text
from overland.cli.signature import command_from, names_from_text

if TYPE_CHECKING:
    from overland.workflows.evaluate_map import EvaluateMapResult

__all__ = ["command", "show"]


def show(result: EvaluateMapResult) -> str:
    """Describe an evaluation for people.

    Args:
        result: The scores.

    Returns:
        Tables and remarks.
    """
    return score_text(result.to_dict())


command = command_from(
    "overland.workflows.evaluate_map:evaluate_map",
    show=show,
    examples=(
        "overland evaluate-map map.tif labels.tif",
        "overland evaluate-map mask.png labels.png --names background,road --output scores",
        "overland evaluate-map map.tif labels.tif --roads --boundary 2%",
    ),
    metavars={"names": "NAMES", "boundary": "BAND", "patches": "SIZE"},
    types={"boundary": click.STRING},
    callbacks={"names": names_from_text},
)

"""overland models."""

from __future__ import annotations

from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "models",
    epilog=examples(
        "overland models",
        "overland predict roads scene.tif roads.tif",
        "overland models --json",
    ),
)
@common_options
def command() -> Outcome:
    """List the models in the box: they come with Overland and need no network.

    Each can be named wherever a command takes a MODEL. A bundle or a run of that name in the present folder is taken
    first; ./NAME is always a folder.
    """
    from overland.workflows.list_models import list_models

    values = list_models()
    return Outcome(values, "\n\n".join(map(_text, values["models"])) or "There is no model in the box.")


def _text(model: dict[str, Any]) -> str:
    low, high = model["resolution_range_m"] or (None, None)
    imagery = f"{len(model['bands'])} bands of {model['dtype']}"
    sizes = f", {low:g} to {high:g} m a pixel (trained on {model['resolution_m']:g} m)" if low else ""
    lines = [
        model["name"],
        f"  classes  {', '.join(model['classes'])}",
        f"  imagery  {imagery}{sizes}",
        f"  size     {model['bytes'] / 1e6:.1f} MB",
        *([f"  score    {_score(model['figure'])}"] if model["figure"] else []),
        *([f"  terms    {model['license']}"] if model["license"] else []),
        *([f"  credit   {model['attribution']}"] if model["attribution"] else []),
    ]
    return "\n".join(lines)


def _score(figure: dict[str, Any]) -> str:
    what = f"IoU of {figure['class']}" if figure.get("class") else "mean IoU"
    return f"{what} {figure['value']:.3f}, pooled, on {figure['on']}"

"""overland models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.list_models import ListModelsResult, PretrainedModel

__all__ = ["command"]


def _show(result: ListModelsResult) -> str:
    return "\n\n".join(map(_text, result.models)) or "No pretrained model comes with this Overland."


def _text(model: PretrainedModel) -> str:
    low, high = model.resolution_range_m or (None, None)
    imagery = f"{len(model.bands)} bands of {model.dtype}"
    sizes = f", {low:g} to {high:g} m a pixel (trained on {model.resolution_m:g} m)" if low else ""
    lines = [
        model.name,
        f"  classes  {', '.join(model.classes)}",
        f"  imagery  {imagery}{sizes}",
        f"  size     {model.bytes / 1e6:.1f} MB",
        *([f"  score    {_score(model.figure)}"] if model.figure else []),
        *([f"  terms    {model.license}"] if model.license else []),
        *([f"  credit   {model.attribution}"] if model.attribution else []),
    ]
    return "\n".join(lines)


def _score(figure: Mapping[str, Any]) -> str:
    name = f"IoU of {figure['class']}" if figure.get("class") else "mean IoU"
    return f"{name} {figure['value']:.3f}, pooled, on {figure['on']}"


command = command_from(
    "overland.workflows.list_models:list_models",
    name="models",
    show=_show,
    examples=("overland models", "overland predict roads scene.tif roads.tif", "overland models --json"),
)

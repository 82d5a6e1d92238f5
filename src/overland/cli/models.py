"""overland models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.list_models import ListModelsResult

__all__ = ["command", "show"]


def show(result: ListModelsResult) -> str:
    """Return the pretrained models in words.

    Args:
        result: The models.

    Returns:
        A paragraph of each model.
    """
    paragraphs = []
    for model in result.models:
        low, high = model.resolution_range_m or (None, None)
        imagery = f"{len(model.bands)} bands of {model.dtype}"
        sizes = f", {low:g} to {high:g} m a pixel (trained on {model.resolution_m:g} m)" if low else ""
        lines = [
            model.name,
            f"  classes  {', '.join(model.classes)}",
            f"  imagery  {imagery}{sizes}",
            f"  size     {model.bytes / 1e6:.1f} MB",
        ]
        if figure := model.figure:
            name = f"IoU of {figure['class']}" if figure.get("class") else "mean IoU"
            lines.append(f"  score    {name} {figure['value']:.3f}, pooled, on {figure['on']}")
        lines += [f"  terms    {model.license}"] if model.license else []
        lines += [f"  credit   {model.attribution}"] if model.attribution else []
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs) or "No pretrained model comes with this Overland."


command = command_from(
    "overland.workflows.list_models:list_models",
    name="models",
    show=show,
    examples=("overland models", "overland predict roads scene.tif roads.tif", "overland models --json"),
)

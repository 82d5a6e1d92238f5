"""`overland export`: a model for QGIS, a catalogue, the Hugging Face Hub, or in int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.export import ExportResult

__all__ = ["command", "show"]


def show(result: ExportResult) -> str:
    """Return the export in words.

    Args:
        result: Output, format and comparison.

    Returns:
        Size, agreement of int8 and notes, a line each.
    """
    lines = [f"{result.format}, {result.precision}, {result.bytes / 1e6:.1f} MB"]
    if result.format == "onnx":
        lines[0] += f", tiles of {result.tile_size} pixels that overlap by {result.overlap_percent} %"
    if result.int8:
        same = f"int8 gives the label of fp32 at {result.int8['agreement']:.2%} of the pixels"
        change = result.int8["iou_change_points"]
        lines.append(same if change is None else f"{same}; IoU changes by {change:+.2f} points")
    return "\n".join([*lines, *result.notes, f"Wrote {result.output}"])


command = command_from(
    "overland.workflows.export:export",
    show=show,
    metavars={"calibrate": "SCENE"},
    examples=(
        "overland export runs/roads/weights/best roads.onnx",
        "overland export MODEL roads.onnx --tile-size 1024",
        "overland export MODEL roads-int8 --precision int8 --calibrate scene.tif --data dataset",
        "overland export MODEL roads-compact --format compact",
        "overland export MODEL for-the-hub --format hf",
        "overland export MODEL catalogue/roads.json --format stac",
    ),
)

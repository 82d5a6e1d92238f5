"""`overland export`: a model for QGIS, a catalogue, the Hugging Face Hub, or in eight bits."""

from __future__ import annotations

from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "export",
    epilog=examples(
        "overland export runs/roads/weights/best roads.onnx",
        "overland export MODEL roads.onnx --tile-size 1024",
        "overland export MODEL roads-int8 --precision int8 --calibrate scene.tif --data dataset",
        "overland export MODEL roads-compact --format compact",
        "overland export MODEL for-the-hub --format hf",
        "overland export MODEL catalogue/roads.json --format stac",
    ),
)
@click.argument("model", metavar="MODEL", type=click.Path())
@click.argument("output", metavar="OUTPUT", type=click.Path())
@click.option(
    "--format",
    type=click.Choice(["onnx", "stac", "hf", "bundle", "compact"]),
    help="onnx: one file for the QGIS plugin Deepness; stac: an item that describes MODEL; hf: a folder for the "
    "Hugging Face Hub; bundle: a copy; compact: a copy in a quarter of the size.  "
    "[default: onnx for a name with that suffix, else bundle]",
)
@click.option(
    "--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True, help="Numbers of the graph."
)
@click.option(
    "--calibrate",
    multiple=True,
    metavar="SCENE",
    type=click.Path(),
    help="int8: a scene like those to be mapped, to choose the eight-bit ranges on (repeat it).",
)
@click.option(
    "--data", type=click.Path(), help="int8: dataset whose validation images say what eight bits cost in IoU."
)
@click.option("--force", is_flag=True, help="int8: write it even where it loses more than 0.2 points.")
@click.option(
    "--tile-size",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="onnx: side in pixels of the tiles that Deepness cuts.",
)
@click.option(
    "--overlap-percent",
    type=click.IntRange(0, 90),
    help="onnx: what neighbouring tiles share.  [default: what the model needs]",
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@common_options
def command(**options: Any) -> Outcome:
    """Write the bundle MODEL as OUTPUT for another program, or with an eight-bit graph.

    MODEL is a bundle, the folder of a run, or the name of a model in the box.

    All but stac and bundle need the extra `train`. A model that another program would map wrongly is refused.
    """
    from overland.workflows.export import export

    values = export(**options)
    return Outcome(values, _text(values))


def _text(values: dict[str, Any]) -> str:
    lines = [f"{values['format']}, {values['precision']}, {values['bytes'] / 1e6:.1f} MB"]
    if values["format"] == "onnx":
        lines[0] += f", tiles of {values['tile_size']} pixels that share {values['overlap_percent']} %"
    if values["int8"]:
        lines.append(_int8_text(values["int8"]))
    return "\n".join([*lines, *values["notes"], f"Written: {values['output']}"])


def _int8_text(report: dict[str, Any]) -> str:
    same = f"eight bits give the label of fp32 at {report['agreement']:.2%} of the pixels"
    change = report["iou_change_points"]
    return same if change is None else f"{same}; IoU changes by {change:+.2f} points"

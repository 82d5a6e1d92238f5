"""overland demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command("demo", epilog=examples("overland demo", "overland demo --output /tmp/demo --seed 3 --overwrite"))
@click.option("-o", "--output", default="demo", show_default=True, metavar="FOLDER", help="Where everything is kept.")
@click.option(
    "--seed", default=0, show_default=True, metavar="N", help="The same seed gives the same landscape and map."
)
@click.option("--epochs", type=int, default=None, metavar="N", help="Train for longer or shorter than the recipe says.")
@click.option("--map-side", default=4096, show_default=True, metavar="N", help="Side of the scene to map, in pixels.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo in that folder.")
@common_options
def command(output: str, seed: int, epochs: int | None, map_side: int, overwrite: bool) -> Outcome:
    """Run the whole job on a made landscape: data, training, map, roads, report.

    Takes a few minutes on two CPU cores and needs the extra train. The landscape is made, so its scores are evidence
    that the code runs and of nothing else.
    """
    from overland.workflows.demo import demo

    result = demo(output, seed=seed, epochs=epochs, map_side=map_side, overwrite=overwrite)
    return Outcome(result, _text(result))


def _text(result: Mapping[str, Any]) -> str:
    lines = [
        f"Mean IoU on unseen synthetic scenes: {result['test']['value']:.3f}; on the map: {result['map']['value']:.3f}",
        f"In QGIS: {result['mask']}, {result['roads']}, {result['polygons']}",
        f"Open {result['report']}",
    ]
    return "\n".join(lines)

"""`overland demo`: the whole chain on a synthetic landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.demo import DemoResult

__all__ = ["command", "show"]


def show(result: DemoResult) -> str:
    """Return the end of a demo in words.

    Args:
        result: Scores and paths of the demo.

    Returns:
        Scores, files for a GIS and the page, a line each.
    """
    return "\n".join(
        [
            f"Mean IoU on unseen synthetic scenes: {result.test['value']:.3f}; on the map: {result.map['value']:.3f}",
            f"In QGIS: {result.mask}, {result.roads}, {result.polygons}",
            f"Open {result.report}",
        ]
    )


command = command_from(
    "overland.workflows.demo:demo",
    show=show,
    examples=("overland demo", "overland demo --output /tmp/demo --seed 3 --overwrite"),
)

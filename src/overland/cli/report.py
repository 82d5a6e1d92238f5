"""`overland report`: one page on a run or a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.report import ReportResult

__all__ = ["command", "show"]


def show(result: ReportResult) -> str:
    """Return where the report is.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    return f"Open {result.report} in a browser."


command = command_from(
    "overland.workflows.report:report",
    show=show,
    examples=(
        "overland report runs/segment/roads",
        "overland report model --output report.html --evaluation evaluations/model-roads-test",
        "overland report runs/segment/roads --scene scene.tif --mask mask.tif --roads roads.gpkg --overwrite",
        "overland report model -o report.html --scene scene.tif --roads roads.gpkg --picture roads.png",
    ),
)

"""`overland areas`: the ground that each class of a map covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.areas import AreasResult, ClassArea

__all__ = ["command", "show"]


def show(result: AreasResult) -> str:
    """Return the areas as tables.

    Args:
        result: The areas.

    Returns:
        A table of the map, and one of each zone.
    """
    lines = _table(result.classes)
    for zone, rows in groupby(result.zones, key=lambda row: row.zone):
        lines += ["", zone, *_table(list(rows))]
    if result.output:
        lines += ["", f"Wrote {result.output}"]
    return "\n".join(lines)


def _table(rows: Sequence[ClassArea]) -> list[str]:
    width = max(12, *(len(row.name) for row in rows))
    lines = [f"  {'':{width}}{'pixels':>16}{'ha':>16}{'fraction':>10}"]
    for row in rows:
        hectares = "-" if row.area_ha is None else f"{row.area_ha:,.2f}"
        fraction = f"{row.fraction:.2%}" if math.isfinite(row.fraction) else "-"
        lines.append(f"  {row.name:{width}}{row.pixels:>16,}{hectares:>16}{fraction:>10}")
    return lines


command = command_from(
    "overland.workflows.areas:areas",
    show=show,
    examples=(
        "overland areas mask.tif",
        "overland areas mask.tif --zones districts.gpkg --zone-field name -o areas.csv",
        "overland areas mask.tif --json",
    ),
)

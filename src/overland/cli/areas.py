"""`overland areas`: the ground that each class of a map covers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "areas",
    epilog=examples(
        "overland areas mask.tif",
        "overland areas mask.tif --zones districts.gpkg --zone-field name -o areas.csv",
        "overland areas mask.tif --json",
    ),
)
@click.argument("mask", type=click.Path())
@click.option(
    "--zones", type=click.Path(), help="Polygons (any vector file) in each of which the classes are measured."
)
@click.option("--zone-field", help="Field with the name of a zone; polygons of one name are one zone.")
@click.option("-o", "--output", type=click.Path(), help="Table to write, a .csv file.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@common_options
def command(mask: str, **options: Any) -> Outcome:
    """Measure the ground that each class of the class map MASK covers.

    Areas follow the CRS; in degrees and in Web Mercator each pixel is measured on the ellipsoid. What is measured is
    the map, with its errors; `overland assess` estimates the true areas, with their uncertainty.
    """
    from overland.workflows.areas import measure_areas

    values = measure_areas(mask, **options)
    return Outcome(values, _text(values))


def _text(values: Mapping[str, Any]) -> str:
    lines = _table(values["classes"])
    for zone, rows in groupby(values["zones"], key=lambda row: row["zone"]):
        lines += ["", zone, *_table(list(rows))]
    if values["output"]:
        lines += ["", f"Wrote {values['output']}"]
    return "\n".join(lines)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    width = max(12, *(len(row["name"]) for row in rows))
    return [f"  {'':{width}}{'pixels':>16}{'ha':>16}{'share':>9}", *(_line(row, width) for row in rows)]


def _line(row: Mapping[str, Any], width: int) -> str:
    hectares = "-" if row["area_ha"] is None else f"{row['area_ha']:,.2f}"
    share = f"{row['share']:.2%}" if math.isfinite(row["share"]) else "-"
    return f"  {row['name']:{width}}{row['pixels']:>16,}{hectares:>16}{share:>9}"

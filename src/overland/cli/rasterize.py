"""`overland rasterize`: vector labels to a class map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "rasterize",
    epilog=examples(
        "overland rasterize osm-roads.geojson scene.tif mask.tif --width-m 6 --classes road",
        "overland rasterize roads.gpkg scene.tif mask.tif --width-field width_m --width-m 6",
        "overland rasterize land.gpkg scene.tif mask.tif --field landuse --classes forest,water",
        "overland rasterize land.gpkg scene.tif mask.tif --field class",
    ),
)
@click.argument("vector", type=click.Path())
@click.argument("like", type=click.Path())
@click.argument("output", type=click.Path())
@click.option("--layer", help="Layer of VECTOR.  [default: the first]")
@click.option("--field", help="Field that says which class a feature is.  [default: all are one class]")
@click.option(
    "--classes",
    metavar="A,B",
    help="Values of --field that become the classes 1, 2, ..., others being left out; without --field the name of the "
    "one class.  [default: whole numbers as they are, else all values in the order of the alphabet]",
)
@click.option("--width-m", type=click.FloatRange(min=0, min_open=True), help="Width of lines and points in metres.")
@click.option("--width-field", help="Field with the width of each feature; --width-m where it holds none.")
@click.option(
    "--all-touched", is_flag=True, help="Burn every pixel that is touched, not only those whose centre is in."
)
@click.option(
    "--nodata/--no-nodata", default=True, show_default=True, help="Write 255 (no label) where LIKE holds no data."
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@common_options
def command(classes: str | None, **options: Any) -> Outcome:
    """Burn the features of VECTOR into OUTPUT, a class map on the grid of the raster LIKE.

    So that labels from OpenStreetMap, SpaceNet or a GIS become training masks. Lines are widened to their width in
    metres whatever the CRS, polygons are burned as they are. What no feature covers is 0, the background; where
    features overlap the higher id wins.
    """
    from overland.workflows.rasterize import rasterize

    values = rasterize(classes=[name.strip() for name in classes.split(",")] if classes else None, **options)
    return Outcome(values, _text(values))


def _text(values: Mapping[str, Any]) -> str:
    labelled = max(values["pixels"] - values["nodata_pixels"], 1)
    lines = [
        f"{name}: {found['features']:,} features, {found['pixels']:,} pixels ({found['pixels'] / labelled:.2%})"
        for name, found in values["classes"].items()
    ]
    if values["nodata_pixels"]:
        lines.append(f"{values['nodata_pixels']:,} pixels hold no data and are 255")
    return "\n".join([*lines, f"Wrote {values['output']}"])

"""`overland vectorize`: a mask to polygons or a road graph."""

from __future__ import annotations

from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command(
    "vectorize",
    epilog=examples(
        "overland vectorize mask.tif land.gpkg",
        "overland vectorize mask.tif roads.gpkg --kind roads",
        "overland vectorize mask.tif water.geojson --class water --class wetland --min-area-m2 500",
        "overland vectorize mask.tif houses.gpkg --class building --regularize --scores scores.tif",
        "overland vectorize mask.tif roads.parquet --kind roads --class highway --max-gap-m 0",
        "overland vectorize mask.tif roads.graphml --kind roads --scores scores.tif",
    ),
)
@click.argument("mask", type=click.Path())
@click.argument("output", type=click.Path())
@click.option(
    "--kind", type=click.Choice(["polygons", "roads"]), default="polygons", show_default=True, help="What to make."
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME",
    help="Classes that become polygons (repeat it; default: all but the background), or the one that is road.",
)
@click.option("--min-area-m2", type=click.FloatRange(min=0), help="Smallest region that is kept.  [default: 64 pixels]")
@click.option(
    "--simplify-m",
    type=click.FloatRange(min=0),
    help="Detail of the outline that is given up.  [default: 3 pixels for polygons, 1 for roads]",
)
@click.option(
    "--min-spur-m",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Roads: shortest dead end that is kept; it must also be longer than the road it leaves is wide.",
)
@click.option(
    "--min-length-m",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="Roads: shortest piece on its own that is kept.",
)
@click.option(
    "--max-gap-m",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Roads: widest gap that is bridged; 0 bridges none.",
)
@click.option(
    "--scores",
    type=click.Path(),
    help="Probabilities from predict --scores: polygons get the mean of their class; roads are followed where the mask "
    "breaks off, and edges get the mean and the least.",
)
@click.option(
    "--low-threshold",
    type=click.FloatRange(0, 1),
    help="Roads with --scores: probability down to which a road of the mask is followed on.  [default: 0.6 of the "
    "mask's own threshold]",
)
@click.option(
    "--regularize",
    is_flag=True,
    help="Polygons: square their outlines, as for buildings; neighbours then no longer share their borders.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@common_options
def command(classes: tuple[str, ...], **options: Any) -> Outcome:
    """Turn the class map MASK into vectors; the suffix of OUTPUT decides the format.

    .gpkg (GeoPackage) and .parquet (GeoParquet) keep the CRS of the mask, .geojson is in longitude and latitude,
    .graphml is a road graph that osmnx loads. Polygons share their borders without overlap or gap, unless they are
    squared. Roads become a graph: edges with length and width, and nodes (GeoPackage and GraphML). Without a CRS all
    numbers are pixels. The mask may be of any size.
    """
    from overland.workflows.vectorize import vectorize

    values = vectorize(classes=classes or None, **options)
    return Outcome(values, _text(values))


def _text(values: dict[str, Any]) -> str:
    length, area = ("px", "px²") if values["units"] == "pixels" else ("m", "m²")
    if values["kind"] == "roads":
        lines = [
            f"{_count(values['edges'], 'edge')} and {_count(values['nodes'], 'node')} ({values['class']}), "
            f"{values['length_m']:,.0f} {length} in all, {values['bridged_m']:,.0f} {length} of it over gaps"
        ]
    else:
        lines = [f"{_count(values['polygons'], 'polygon')}, {values['area_m2']:,.0f} {area} in all"]
        lines += [
            f"  {name}: {_count(found['count'], 'polygon')}, {found['area_m2']:,.0f} {area}"
            for name, found in values["classes"].items()
        ]
    return "\n".join([*lines, f"Wrote {values['output']}"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

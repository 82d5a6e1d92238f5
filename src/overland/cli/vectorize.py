"""`overland vectorize`: a class map to polygons or a road graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.vectorize import VectorizeResult

__all__ = ["command", "show"]


def show(result: VectorizeResult) -> str:
    """Return the vectors in words.

    Args:
        result: The vectors in numbers.

    Returns:
        Counts, lengths and areas, and the path.
    """
    length, area = {"metres": ("m", "m²"), "pixels": ("px", "px²")}.get(result.units, ("units", "square units"))
    if result.kind == "roads":
        lines = [
            f"{_count(result.edges, 'edge')} and {_count(result.nodes, 'node')} ({result.road_class}), "
            f"{result.length_m or 0:,.0f} {length} in all, {result.gap_filled_m or 0:,.0f} {length} of it over gaps"
        ]
    else:
        lines = [f"{_count(result.polygons, 'polygon')}, {result.area_m2 or 0:,.0f} {area} in all"]
        lines += [
            f"  {name}: {_count(found.count, 'polygon')}, {found.area_m2:,.0f} {area}"
            for name, found in (result.classes or {}).items()
        ]
    return "\n".join([*lines, f"Wrote {result.output}"])


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


command = command_from(
    "overland.workflows.vectorize:vectorize",
    show=show,
    flags={"classes": "--class"},
    metavars={"classes": "NAME"},
    examples=(
        "overland vectorize mask.tif land.gpkg",
        "overland vectorize mask.tif roads.gpkg --kind roads",
        "overland vectorize mask.tif water.geojson --class water --class wetland --min-area-m2 500",
        "overland vectorize mask.tif houses.gpkg --class building --regularize --probabilities probabilities.tif",
        "overland vectorize mask.tif roads.parquet --kind roads --class highway --max-gap-m 0",
        "overland vectorize mask.tif roads.graphml --kind roads --probabilities probabilities.tif",
    ),
)

"""`overland rasterize`: vector labels to a class map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from, names_from_text

if TYPE_CHECKING:
    from overland.workflows.rasterize import RasterizeResult

__all__ = ["command", "show"]


def show(result: RasterizeResult) -> str:
    """Return the class map in words.

    Args:
        result: The class map in numbers.

    Returns:
        A line of each class, and the path.
    """
    labelled = max(result.pixels - result.nodata_pixels, 1)
    lines = [
        f"{name}: {found.features:,} features, {found.pixels:,} pixels ({found.pixels / labelled:.2%})"
        for name, found in result.classes.items()
    ]
    if result.nodata_pixels:
        lines.append(f"{result.nodata_pixels:,} pixels hold no data and are 255")
    return "\n".join([*lines, f"Wrote {result.output}"])


command = command_from(
    "overland.workflows.rasterize:rasterize",
    show=show,
    metavars={"classes": "A,B"},
    callbacks={"classes": names_from_text},
    examples=(
        "overland rasterize osm-roads.geojson scene.tif mask.tif --width-m 6 --classes road",
        "overland rasterize roads.gpkg scene.tif mask.tif --width-field width_m --width-m 6",
        "overland rasterize land.gpkg scene.tif mask.tif --field landuse --classes forest,water",
        "overland rasterize land.gpkg scene.tif mask.tif --field class",
    ),
)

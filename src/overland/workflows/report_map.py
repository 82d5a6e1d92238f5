"""The map of a report: from a scene, its mask and its vectors on disk to what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError
from overland.legend import Legend
from overland.raster import Grid, Scene, open_scene
from overland.report.map_figure import MapView
from overland.report.overview import ClassArea, lines_to_overview, overview_of_mask, overview_of_scene, overview_step
from overland.vector import lengths_m, read_layer, read_lines

__all__ = ["map_view"]

_POLYGON = int(shapely.GeometryType.POLYGON)


def map_view(
    scene: str | Path,
    mask: str | Path | None = None,
    roads: str | Path | None = None,
    polygons: str | Path | None = None,
) -> MapView:
    """Read a scene made small, and what is to lie over it.

    Raises `DataError` when something cannot be read or the mask has another size than the scene.
    """
    with open_scene(scene, expand_palette=True) as image:
        grid = image.grid
        step = overview_step(grid)
        picture = overview_of_scene(image, step)
    overlay, areas = _mask_layer(mask, grid, step) if mask else (None, [])
    lines, facts = _road_layer(roads, grid, step) if roads else ([], [])
    resolution = grid.resolution_m
    return MapView(
        image=picture,
        overlay=overlay,
        areas=areas,
        roads=lines,
        outlines=_polygon_layer(polygons, grid, step) if polygons else [],
        pixel_m=None if resolution is None else resolution * step,
        caption=_caption(Path(scene), grid),
        facts=facts,
    )


def _mask_layer(path: str | Path, grid: Grid, step: int) -> tuple[npt.NDArray[np.uint8], list[ClassArea]]:
    with open_scene(path) as mask:
        if (mask.height, mask.width) != (grid.height, grid.width):
            raise DataError(
                f"{path} has {mask.height} x {mask.width} pixels and the scene {grid.height} x {grid.width}; "
                "give the mask that was predicted from this scene."
            )
        return overview_of_mask(mask, _legend(mask), step)


def _legend(mask: Scene) -> Legend:
    if mask.legend is None:
        raise DataError(
            f"{mask.path} carries no class names (in {Path(mask.path).name}.aux.xml); "
            "give a mask that Overland wrote, with the file beside it."
        )
    return mask.legend


def _road_layer(path: str | Path, grid: Grid, step: int) -> tuple[list[npt.NDArray[np.float64]], list[tuple[str, str]]]:
    lines, crs = read_lines(path)
    drawn = lines_to_overview(lines, crs, grid, step)
    count = f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"
    if crs is None:
        return drawn, [("Road network", count)]
    return drawn, [("Road network", f"{lengths_m(lines, crs).sum() / 1000:,.2f} km in {count}")]


def _polygon_layer(path: str | Path, grid: Grid, step: int) -> list[npt.NDArray[np.float64]]:
    layer = read_layer(path)
    parts: npt.NDArray[Any] = shapely.get_parts(layer.geometries)
    parts = parts[shapely.get_type_id(parts) == _POLYGON]
    rings = np.asarray(shapely.get_rings(parts), dtype=object)
    return lines_to_overview(rings, layer.crs, grid, step)


def _caption(path: Path, grid: Grid) -> str:
    resolution = grid.resolution_m
    pixel = f", {resolution:.3g} m a pixel" if resolution else ""
    return f"{path.name}: {grid.width:,} x {grid.height:,} pixels{pixel}, {grid.crs or 'no CRS'}."

"""The map of a report: from a scene, its mask and its vectors on disk to what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.legend import Legend, legend_from_names
from overland.raster import Grid, Scene, open_scene
from overland.raster.write import check_output
from overland.report.graph_map import write_graph_picture, write_polygon_picture
from overland.report.map_figure import MapView
from overland.report.overview import ClassArea, lines_to_overview, overview_of_mask, overview_of_scene, overview_step
from overland.report.road_groups import RoadGroup, road_groups
from overland.vector import Layer, lengths_m, read_layer, read_lines
from overland.vector.ground import map_to_pixels
from overland.vector.project import reprojected

__all__ = ["check_map_picture", "map_view", "write_map_picture"]

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
    lines, groups, facts = _road_layer(roads, grid, step) if roads else ([], [], [])
    resolution = grid.resolution_m
    return MapView(
        image=picture,
        overlay=overlay,
        areas=areas,
        roads=lines,
        groups=groups,
        outlines=_polygon_layer(polygons, grid, step) if polygons else [],
        pixel_m=None if resolution is None else resolution * step,
        caption=_caption(Path(scene), grid),
        facts=facts,
    )


def check_map_picture(path: str | Path, vectors: str | Path | None, *, overwrite: bool = False) -> None:
    """Raise `UsageError` for a picture that may not be written, or that would show no vectors."""
    if vectors is None:
        raise UsageError("A picture of the map shows roads or polygons: give --roads or --polygons.")
    check_output(path, overwrite=overwrite, suffixes=(".png",))


def write_map_picture(
    path: str | Path,
    scene: str | Path,
    *,
    roads: str | Path | None = None,
    roads_before: str | Path | None = None,
    polygons: str | Path | None = None,
) -> None:
    """Draw roads over a scene as PNG, coloured by confidence, or polygons filled by class where there are no roads.

    `roads_before` are the roads without bridges over gaps, drawn beside.
    """
    view = map_view(scene, roads=roads)
    if roads is not None:
        before = None if roads_before is None else map_view(scene, roads=roads_before).roads
        write_graph_picture(path, view.image, view.roads, view.groups, before=before, pixel_m=view.pixel_m)
    elif polygons is not None:
        shapes, names = _polygons_by_name(polygons, scene)
        legend = legend_from_names(sorted(set(names)) or ["polygons"])
        colors = dict(zip(legend.names, legend.colors, strict=True))
        write_polygon_picture(path, view.image, shapes, names, colors, pixel_m=view.pixel_m)


def _polygons_by_name(path: str | Path, scene: str | Path) -> tuple[npt.NDArray[Any], list[str]]:
    with open_scene(scene) as image:
        grid = image.grid
    step, layer = overview_step(grid), read_layer(path)
    shapes, shape_of = shapely.get_parts(layer.geometries, return_index=True)
    is_polygon = shapely.get_type_id(shapes) == _POLYGON
    shapes = reprojected(np.asarray(shapes[is_polygon], dtype=object), layer.crs, grid.crs)
    names = [str(name) for name in layer.fields.get("name", np.full(len(layer), layer.name, dtype=object))]
    in_overview = shapely.transform(map_to_pixels(shapes, grid), lambda xy: xy / step)
    return np.asarray(in_overview, dtype=object), [names[index] for index in shape_of[is_polygon]]


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


def _road_layer(
    path: str | Path, grid: Grid, step: int
) -> tuple[list[npt.NDArray[np.float64]], list[RoadGroup], list[tuple[str, str]]]:
    layer = read_layer(path)
    lines, crs = read_lines(path)
    drawn = lines_to_overview(lines, crs, grid, step)
    groups = road_groups(_of_each_line(layer, "mean_p"), _of_each_line(layer, "bridged"))
    count = f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"
    if crs is None:
        return drawn, groups, [("Road network", count)]
    return drawn, groups, [("Road network", f"{lengths_m(lines, crs).sum() / 1000:,.2f} km in {count}")]


def _of_each_line(layer: Layer, field: str) -> list[float] | None:
    """A field of numbers for each single line, None when there is none."""
    if field not in layer.fields or layer.fields[field].dtype.kind not in "fiub":
        return None
    _, line_of = shapely.get_parts(layer.geometries, return_index=True)
    return [float(value) for value in layer.fields[field][line_of]]


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

"""Areas: how much ground each class of a map covers, in all or in each zone."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.geo.measures import map_to_pixels, reprojected
from overland.legend import Legend
from overland.output import check_output, write_table
from overland.raster import Grid, Scene, Window
from overland.raster.class_map import class_totals, counts_by_row, iter_class_blocks, open_class_scene
from overland.raster.features import burn_shapes
from overland.vector import Layer, read_layer
from overland.workflows.rasterize import field_values

__all__ = ["measure_areas"]

logger = logging.getLogger("overland")

_COLUMNS = ("class", "name", "pixels", "area_m2", "area_ha", "share")
_IDS = 256


def measure_areas(
    mask: str | Path,
    *,
    zones: str | Path | None = None,
    zone_field: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Measure the ground that each class of a class map covers, in all or in each zone of a vector file of polygons.

    A zone is all polygons with the same value of `zone_field`; without the field each polygon is one, numbered from 1.
    Zones may overlap, a pixel belongs to those in which its centre lies, and shares are of the pixels with a class.
    Areas are square metres and hectares by the CRS, on the ellipsoid in degrees and in Web Mercator; None without one.
    The map streams by. `output` takes the table as CSV. Raises `UsageError` for options and outputs that make no
    sense, `DataError` for files that cannot be used.
    Counted pixels are a biased estimate of area when the map has errors: `workflows.assess` gives an unbiased one.
    """
    if zone_field is not None and zones is None:
        raise UsageError(f"--zone-field {zone_field} names a field of the zones; give their file with --zones.")
    path = None if output is None else check_output(output, overwrite=overwrite, suffixes=(".csv",))
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
        in_metres = scene.grid.is_georeferenced
        rows = _rows(totals.legend, totals.pixels, totals.areas_m2, in_metres)
        zone_rows = _zone_rows(scene, totals.legend, zones, zone_field) if zones is not None else []
        values = {"mask": str(mask), "crs": scene.grid.crs, "units": "metres" if in_metres else "pixels"}
    if path is not None:
        columns = ("zone", *_COLUMNS) if zones is not None else _COLUMNS
        write_table(path, zone_rows if zones is not None else rows, columns)
    return {**values, "classes": rows, "zones": zone_rows, "output": None if path is None else str(path)}


@dataclass(frozen=True)
class _Zones:
    """Zones in pixels of the map, with a window around each."""

    names: list[str]
    shapes: npt.NDArray[Any]
    windows: list[Window]


def _zone_rows(scene: Scene, legend: Legend, path: str | Path, field: str | None) -> list[dict[str, Any]]:
    zones = _read_zones(path, field, scene.grid)
    pixels = np.zeros((len(zones.names), _IDS), np.int64)
    areas = np.zeros((len(zones.names), _IDS))
    for block, ids, row_areas in iter_class_blocks(scene, "Measuring zones"):
        for index, zone in enumerate(zones.windows):
            part = zone.intersection(block)
            if part.height and part.width:
                counts = _counts_inside(zones.shapes[index], part, ids[_within(part, block)])
                pixels[index] += counts.sum(axis=0)
                areas[index] += row_areas[part.row_off - block.row_off : part.row_end - block.row_off] @ counts
    for name in np.array(zones.names)[~pixels[:, : legend.num_classes].any(axis=1)]:
        logger.warning("Zone %s holds no pixel with a class.", name)
    count, in_metres = legend.num_classes, scene.grid.is_georeferenced
    return [
        {"zone": name, **row}
        for name, found, measured in zip(zones.names, pixels, areas, strict=True)
        for row in _rows(legend, found[:count], measured[:count], in_metres)
    ]


def _counts_inside(shape: Any, window: Window, ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    inside = burn_shapes(np.array([shape]), np.array([1]), window)
    return counts_by_row(np.where(inside, ids, _IDS - 1).astype(np.uint8))


def _within(part: Window, block: Window) -> tuple[slice, slice]:
    return part.shifted(-block.row_off, -block.col_off).slices


def _read_zones(path: str | Path, field: str | None, grid: Grid) -> _Zones:
    layer = read_layer(path)
    if not len(layer) or not set(shapely.get_dimensions(layer.geometries).tolist()) == {2}:
        raise DataError(f"{path}: zones are polygons, and the layer holds {layer.geometry_type or 'nothing'} features.")
    names, shapes = _grouped(layer, field)
    shapes = map_to_pixels(reprojected(shapes, layer.crs, grid.crs if grid.is_georeferenced else None), grid)
    return _Zones(names, shapes, [_around(shape) for shape in shapes])


def _grouped(layer: Layer, field: str | None) -> tuple[list[str], npt.NDArray[Any]]:
    if field is None:
        return [str(number) for number in range(1, len(layer) + 1)], layer.geometries
    values = np.array([str(value) for value in field_values(layer, field)], dtype=object)
    names = sorted(set(values))
    # Parts that overlap are one ground, and are to be counted once.
    shapes = [shapely.union_all(shapely.make_valid(layer.geometries[values == name])) for name in names]
    return names, np.array(shapes, dtype=object)


def _around(shape: Any) -> Window:
    left, top, right, bottom = (math.floor(value) for value in shape.bounds)
    return Window(col_off=left, row_off=top, width=right - left + 1, height=bottom - top + 1)


def _rows(legend: Legend, pixels: npt.NDArray[Any], areas: npt.NDArray[Any], in_metres: bool) -> list[dict[str, Any]]:
    whole = float(areas.sum())
    return [
        {
            "class": index,
            "name": name,
            "pixels": int(pixels[index]),
            "area_m2": float(areas[index]) if in_metres else None,
            "area_ha": float(areas[index]) / 1e4 if in_metres else None,
            "share": float(areas[index]) / whole if whole else math.nan,
        }
        for index, name in enumerate(legend.names)
    ]

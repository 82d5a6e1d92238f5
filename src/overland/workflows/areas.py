"""Areas: the ground that each class of a map covers, in all or in each zone."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import shapely

from overland.errors import DataError, UsageError
from overland.geo.crs import Floats
from overland.geo.grid import Window
from overland.geo.measures import map_to_pixels
from overland.legend import Legend
from overland.output import check_output, write_table
from overland.raster import Scene, input_files
from overland.raster.class_map import Counts, class_totals, counts_by_row, iter_class_blocks, open_class_scene
from overland.raster.features import burn_shapes
from overland.result import Result
from overland.vector import geometries_on_grid, read_layer
from overland.workflows.rasterize import field_values

__all__ = ["AreasResult", "ClassArea", "ZoneArea", "areas"]

logger = logging.getLogger(__name__)

_IDS = 256


@dataclass(frozen=True)
class ClassArea:
    """The ground that a class covers.

    Attributes:
        id: The class id.
        name: The class name.
        pixels: Number of pixels.
        area_m2: Square metres; None without a CRS.
        area_ha: Hectares; None without a CRS.
        fraction: Fraction of the pixels with a class, by area; NaN where there are none.
    """

    id: int
    name: str
    pixels: int
    area_m2: float | None
    area_ha: float | None
    fraction: float


@dataclass(frozen=True)
class ZoneArea(ClassArea):
    """The ground that a class covers in a zone.

    Attributes:
        zone: Name or number of the zone.
        id: The class id.
        name: The class name.
        pixels: Number of pixels.
        area_m2: Square metres; None without a CRS.
        area_ha: Hectares; None without a CRS.
        fraction: Fraction of the zone's pixels with a class, by area; NaN where there are none.
    """

    zone: str = ""


@dataclass(frozen=True)
class AreasResult(Result):
    """The ground that the classes of a map cover.

    Attributes:
        mask: The class map.
        crs: Its CRS; None without one.
        units: "metres" where areas are known, else "pixels".
        classes: A row for each class.
        zones: A row for each zone and class; empty without zones.
        output: The table that was written; None without one.
    """

    mask: str
    crs: str | None
    units: str
    classes: list[ClassArea]
    zones: list[ZoneArea]
    output: str | None


def areas(
    mask: str | Path,
    *,
    zones: str | Path | None = None,
    zone_field: str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> AreasResult:
    """Measure the ground that each class of the class map MASK covers.

    Areas are measured on the ellipsoid wherever the units of the CRS are not true, as in degrees and in every Mercator.
    They are those of the map, with its errors: counted pixels are a biased estimate; overland assess estimates the true
    areas, with their uncertainty. The map may be of any size.

    Args:
        mask: The class map, a raster of class ids.
        zones: Polygons (any vector file) in each of which the classes are measured; a pixel belongs to those in which
            its centre lies, and zones may overlap.
        zone_field: Field with the name of a zone; polygons of one name are one zone. Without it each polygon is a zone,
            numbered from 1.
        output: Table to write, a .csv file.
        overwrite: Replace the output if it exists.

    Returns:
        Pixels and areas by class, and by zone and class.

    Raises:
        UsageError: For options and an output that make no sense.
        DataError: For files that cannot be used.
    """
    if zone_field is not None and zones is None:
        raise UsageError(f"--zone-field {zone_field} names a field of the zones; give their file with --zones.")
    inputs = input_files(mask, zones)
    path = None if output is None else check_output(output, suffixes=(".csv",), overwrite=overwrite, inputs=inputs)
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
        in_metres = scene.grid.is_georeferenced
        rows = _rows(totals.legend, totals.pixels, totals.areas_m2, in_metres)
        zone_rows = _zone_rows(scene, totals.legend, zones, zone_field) if zones is not None else []
        crs = scene.grid.crs
    if path is not None:
        columns = [field.name for field in fields(ClassArea)]
        if zones is None:
            write_table(path, [vars(row) for row in rows], columns)
        else:
            write_table(path, [vars(row) for row in zone_rows], ["zone", *columns])
    return AreasResult(
        mask=str(mask),
        crs=crs,
        units="metres" if in_metres else "pixels",
        classes=rows,
        zones=zone_rows,
        output=None if path is None else str(path),
    )


def _rows(legend: Legend, pixels: Counts, measured: Floats, in_metres: bool) -> list[ClassArea]:
    whole = float(measured.sum())
    return [
        ClassArea(
            id=index,
            name=name,
            pixels=int(pixels[index]),
            area_m2=float(measured[index]) if in_metres else None,
            area_ha=float(measured[index]) / 1e4 if in_metres else None,
            fraction=float(measured[index]) / whole if whole else math.nan,
        )
        for index, name in enumerate(legend.names)
    ]


def _zone_rows(scene: Scene, legend: Legend, path: str | Path, field: str | None) -> list[ZoneArea]:
    layer = read_layer(path, kinds=("Polygon",))
    if not len(layer) or not set(shapely.get_dimensions(layer.geometries).tolist()) == {2}:
        raise DataError(f"{path}: zones are polygons, and the layer holds {layer.geometry_type or 'nothing'} features.")
    names = [str(number) for number in range(1, len(layer) + 1)]
    shapes = map_to_pixels(geometries_on_grid(layer.geometries, layer.crs, scene.grid), scene.grid)
    if field is not None:
        values = np.array([str(value) for value in field_values(layer, field)], dtype=object)
        names = sorted(set(values))
        # Parts that overlap are one ground, and are to be counted once.
        united = [shapely.union_all(shapely.make_valid(shapes[values == name])) for name in names]
        shapes = np.array(united, dtype=object)
    windows = []
    for left, top, right, bottom in np.floor(np.nan_to_num(shapely.bounds(shapes), nan=-1.0)).astype(int).tolist():
        windows.append(Window(col_off=left, row_off=top, width=right - left + 1, height=bottom - top + 1))
    pixels = np.zeros((len(names), _IDS), np.int64)
    measured = np.zeros((len(names), _IDS))
    for block, ids, row_areas in iter_class_blocks(scene, "Measuring zones"):
        for index, window in enumerate(windows):
            part = window.intersection(block)
            if not (part.height and part.width):
                continue
            inside = burn_shapes(shapes[index : index + 1], np.array([1]), part)
            within = part.shifted(-block.row_off, -block.col_off).slices
            counts = counts_by_row(np.where(inside, ids[within], _IDS - 1).astype(np.uint8))
            pixels[index] += counts.sum(axis=0)
            measured[index] += row_areas[within[0]] @ counts
    for name in np.array(names)[~pixels[:, : legend.num_classes].any(axis=1)]:
        logger.warning("Zone %s holds no pixel with a class.", name)
    count, in_metres = legend.num_classes, scene.grid.is_georeferenced
    return [
        ZoneArea(**vars(row), zone=name)
        for name, of_pixels, of_areas in zip(names, pixels, measured, strict=True)
        for row in _rows(legend, of_pixels[:count], of_areas[:count], in_metres)
    ]

"""From pixels to the ground: map coordinates, and lengths and areas in metres whatever the CRS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
import shapely.geometry.polygon

from overland.raster import Grid, Window

__all__ = [
    "areas_m2",
    "lengths_m",
    "map_to_pixels",
    "metres_per_unit",
    "pixel_areas_m2",
    "pixel_size_m",
    "pixels_to_map",
]


Geometries = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def pixels_to_map(geometries: Geometries, grid: Grid) -> Geometries:
    """Move geometries from pixel coordinates (x = column, y = row) to the CRS of the grid; unchanged without one."""
    if not grid.is_georeferenced:
        return geometries
    matrix = np.array(grid.transform, dtype=float).reshape(3, 3)
    return np.asarray(shapely.transform(geometries, lambda xy: xy @ matrix[:2, :2].T + matrix[:2, 2]), dtype=object)


def map_to_pixels(geometries: Geometries, grid: Grid) -> Geometries:
    """Move geometries from the CRS of the grid to pixel coordinates; the inverse of `pixels_to_map`."""
    if not grid.is_georeferenced:
        return geometries
    matrix = np.linalg.inv(np.array(grid.transform, dtype=float).reshape(3, 3)[:2, :2])
    origin = np.array([grid.transform.c, grid.transform.f])
    return np.asarray(shapely.transform(geometries, lambda xy: (xy - origin) @ matrix.T), dtype=object)


def pixel_size_m(grid: Grid) -> tuple[float, float]:
    """Width and height of a pixel at the scene's centre in metres on the ground; (1, 1) without a CRS."""
    if not grid.is_georeferenced:
        return 1.0, 1.0
    col, row = grid.width / 2, grid.height / 2
    across = shapely.LineString([(col - 0.5, row), (col + 0.5, row)])
    down = shapely.LineString([(col, row - 0.5), (col, row + 0.5)])
    width, height = lengths_m(pixels_to_map(np.array([across, down]), grid), grid.crs)
    return float(width), float(height)


def lengths_m(lines: Geometries, crs: str | None) -> Floats:
    """Lengths of lines in metres: units of a projected CRS, geodesic for degrees; pixels without a CRS.

    Web Mercator counts as degrees, since its metres are stretched by 1 / cos(latitude).
    """
    if crs is None:
        return np.asarray(shapely.length(lines), dtype=float)
    unit_m, to_degrees, geod = _measures(pyproj.CRS.from_user_input(crs))
    if to_degrees is None:
        return np.asarray(shapely.length(lines) * unit_m, dtype=float)
    lines = to_degrees(lines)
    xy, line_of_vertex = shapely.get_coordinates(lines, return_index=True)
    inside = line_of_vertex[1:] == line_of_vertex[:-1]
    start, end = xy[:-1][inside], xy[1:][inside]
    _, _, steps = geod.inv(start[:, 0], start[:, 1], end[:, 0], end[:, 1])
    return np.bincount(line_of_vertex[:-1][inside], weights=steps, minlength=len(lines)).astype(float)


def areas_m2(polygons: Geometries, crs: str | None) -> Floats:
    """Areas of polygons in square metres, with the same rules as `lengths_m`."""
    if crs is None:
        return np.asarray(shapely.area(polygons), dtype=float)
    unit_m, to_degrees, geod = _measures(pyproj.CRS.from_user_input(crs))
    if to_degrees is None:
        return np.asarray(shapely.area(polygons) * unit_m**2, dtype=float)
    # pyproj subtracts holes only when they turn the other way than the shell.
    oriented = (shapely.geometry.polygon.orient(polygon) for polygon in to_degrees(polygons))
    return np.array([abs(geod.geometry_area_perimeter(polygon)[0]) for polygon in oriented], dtype=float)


def metres_per_unit(crs: str | None) -> float | None:
    """Metres in a unit of a projected CRS, 1 without a CRS; None where the rules of `lengths_m` ask for geodesics."""
    if crs is None:
        return 1.0
    metres, to_degrees, _ = _measures(pyproj.CRS.from_user_input(crs))
    return metres if to_degrees is None else None


def _measures(crs: pyproj.CRS) -> tuple[float, Callable[[Geometries], Geometries] | None, pyproj.Geod]:
    geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
    if crs.is_geographic:
        return 1.0, lambda geometries: geometries, geod
    if _is_web_mercator(crs):
        to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
        return 1.0, lambda geometries: shapely.transform(geometries, to_degrees.transform, interleaved=False), geod
    return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0, None, geod


def _is_web_mercator(crs: pyproj.CRS) -> bool:
    operation = crs.coordinate_operation
    return operation is not None and "Pseudo" in operation.method_name


# Areas of pixels on the ground, row by row, without tracing a single one.


def pixel_areas_m2(grid: Grid, window: Window) -> Floats:
    """Area of a pixel of each row of a window in square metres, an array (height,); 1 without a CRS.

    By the rules of `vector.areas_m2`: the units of a projected CRS; on the ellipsoid in degrees and in Web Mercator,
    taken at the pixel's centre in the middle of the row, which is off by 1 in 100,000 for pixels of one degree.
    Source: radii of curvature, Snyder 1987, Map Projections: A Working Manual, equations 4-18 to 4-20.
    """
    a, b, c, d, e, f = grid.transform[:6]
    square_units = abs(a * e - b * d) if grid.is_georeferenced else 1.0
    unit_m = metres_per_unit(grid.crs) if grid.is_georeferenced else 1.0
    if unit_m is not None:
        return np.full(window.height, square_units * unit_m**2)
    rows = window.row_off + np.arange(window.height) + 0.5
    col = window.col_off + window.width / 2
    return square_units * _m2_per_square_unit(
        pyproj.CRS.from_user_input(grid.crs), a * col + b * rows + c, d * col + e * rows + f
    )


def _m2_per_square_unit(crs: pyproj.CRS, x: Floats, y: Floats) -> Floats:
    geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
    if crs.is_geographic:
        radians_per_unit = crs.axis_info[0].unit_conversion_factor
        latitude = y * radians_per_unit
        return _m2_per_square_radian(geod, latitude) * radians_per_unit**2
    _, degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    latitude = np.radians(degrees)
    # Web Mercator stretches both axes by 1 / cos(latitude) on a sphere of the ellipsoid's larger radius.
    return np.asarray(_m2_per_square_radian(geod, latitude) * np.cos(latitude) / geod.a**2)


def _m2_per_square_radian(geod: pyproj.Geod, latitude: Floats) -> Floats:
    bulge = 1 - geod.es * np.sin(latitude) ** 2
    along_meridian, along_parallel = geod.a * (1 - geod.es) / bulge**1.5, geod.a / np.sqrt(bulge)
    area: Floats = along_meridian * along_parallel * np.cos(latitude)
    return area

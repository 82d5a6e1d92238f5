"""Geometries between pixels, CRSs and the ground: moved, reprojected, and measured in metres whatever the CRS.

A projected CRS is measured in its own plane where that is true to 0.3 %, as in its zone; everything else, degrees and
the Mercators above all, on the ellipsoid of the CRS. Without a CRS the units of the coordinates stand for metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from overland.errors import DataError
from overland.geo.crs import Floats, Ground, ground_of, is_same_crs, transformer_between
from overland.geo.grid import Grid, Window

__all__ = [
    "Geometries",
    "areas_m2",
    "buffered_m",
    "lengths_m",
    "map_to_pixels",
    "pixel_areas_m2",
    "pixels_to_map",
    "reprojected",
    "segment_lengths_m",
]

Geometries = npt.NDArray[Any]
"""Shapely geometries, an array (n,) of objects."""

# A straight line of a projection is a curve on the ground: longer pieces than this are measured in parts.
_PIECE_M = 5_000.0
# Between its corners a circle of radius r is then drawn .005 r too small: 2 cm at the end of a road of 8 m.
_CORNERS_PER_QUARTER = 8


def pixels_to_map(geometries: Geometries, grid: Grid) -> Geometries:
    """Move geometries from pixels to map coordinates.

    Args:
        geometries: Geometries in pixels of the raster (x = column, y = row, whole numbers at the borders of pixels).
        grid: The raster's grid.

    Returns:
        The geometries in the CRS of the grid, or in its own units; unchanged where pixels have no coordinates.
    """
    if not grid.has_coordinates:
        return geometries
    matrix = np.array(grid.transform, dtype=float).reshape(3, 3)
    return np.asarray(shapely.transform(geometries, lambda xy: xy @ matrix[:2, :2].T + matrix[:2, 2]), dtype=object)


def map_to_pixels(geometries: Geometries, grid: Grid) -> Geometries:
    """Move geometries from map coordinates to pixels; the inverse of `pixels_to_map`.

    Args:
        geometries: Geometries in the CRS of the grid, or in its own units.
        grid: The raster's grid.

    Returns:
        The geometries in pixels of the raster; unchanged where pixels have no coordinates.

    Raises:
        DataError: When the transform cannot be turned round, as where a pixel has no width.
    """
    if not grid.has_coordinates:
        return geometries
    try:
        matrix = np.linalg.inv(np.array(grid.transform, dtype=float).reshape(3, 3)[:2, :2])
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"The transform {tuple(grid.transform)[:6]} gives pixels without an area; is the file's georeference right?"
        ) from error
    origin = np.array([grid.transform.c, grid.transform.f])
    return np.asarray(shapely.transform(geometries, lambda xy: (xy - origin) @ matrix.T), dtype=object)


def reprojected(geometries: Geometries, crs: str | None, target: str | None) -> Geometries:
    """Move geometries to another CRS, vertex by vertex, x before y.

    Args:
        geometries: Geometries in the first CRS.
        crs: Their CRS; None where they have none.
        target: The CRS that they are to have.

    Returns:
        The geometries in the other CRS; unchanged when both are the same.

    Raises:
        DataError: When only one of both is known, when there is no way between them, and when a vertex has no place in
            the target.
    """
    if (crs is None) != (target is None):
        raise DataError(f"The vectors have the CRS {crs} and the raster {target}; both or none need one.")
    if crs is None or target is None or is_same_crs(crs, target):
        return geometries
    moved = _moved(geometries, transformer_between(crs, target).transform)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise DataError(f"Some vectors in {crs} have no place in {target}. Is the CRS of both files right?")
    return moved


def lengths_m(lines: Geometries, crs: str | None) -> Floats:
    """Measure lines on the ground.

    Args:
        lines: Lines in the CRS.
        crs: Their CRS; None where their units stand for metres.

    Returns:
        Their lengths in metres, an array (n,).

    Raises:
        DataError: For a CRS without horizontal coordinates, and for lines that leave the Earth.
    """
    lines = np.asarray(lines, dtype=object)
    if not len(lines):
        return np.zeros(0)
    ground = None if crs is None else ground_of(crs)
    unit = _true_unit_m(lines, ground, 1)
    if ground is None or unit is not None:
        return np.asarray(shapely.length(lines) * (unit or 1.0), dtype=float)
    xy, line_of_vertex = shapely.get_coordinates(_in_pieces(lines, ground), return_index=True)
    inside = line_of_vertex[1:] == line_of_vertex[:-1]
    steps = segment_lengths_m(xy[:-1][inside], xy[1:][inside], crs)
    if not np.isfinite(steps).all():
        raise _off_the_earth(ground)
    return np.bincount(line_of_vertex[:-1][inside], weights=steps, minlength=len(lines)).astype(float)


def segment_lengths_m(start: Floats, end: Floats, crs: str | None) -> Floats:
    """Measure straight ways between pairs of places on the ground.

    Args:
        start: Map coordinates (n, 2) where they begin.
        end: Map coordinates (n, 2) where they end.
        crs: Their CRS; None where their units stand for metres.

    Returns:
        The geodesic distances in metres, an array (n,); NaN for places that are not on the Earth.

    Raises:
        DataError: For a CRS without horizontal coordinates.
    """
    ground = None if crs is None else ground_of(crs)
    if ground is None or ground.geod is None:
        unit = 1.0 if ground is None else ground.unit_m or 1.0
        return np.asarray(np.hypot(*(end - start).T) * unit, dtype=float)
    _, _, steps = ground.geod.inv(*ground.to_degrees(*start.T), *ground.to_degrees(*end.T))
    return np.asarray(steps, dtype=float)


def areas_m2(polygons: Geometries, crs: str | None) -> Floats:
    """Measure polygons on the ground.

    Args:
        polygons: Polygons in the CRS; they may go over the antimeridian or round a pole.
        crs: Their CRS; None where their units stand for metres.

    Returns:
        Their areas in square metres, an array (n,).

    Raises:
        DataError: For a CRS without horizontal coordinates, and for polygons that leave the Earth.
    """
    polygons = np.asarray(polygons, dtype=object)
    if not len(polygons):
        return np.zeros(0)
    ground = None if crs is None else ground_of(crs)
    unit = _true_unit_m(polygons, ground, 2)
    if ground is None or ground.geod is None or unit is not None:
        return np.asarray(shapely.area(polygons) * (unit or 1.0) ** 2, dtype=float)
    parts, polygon_of_part = shapely.get_parts(_in_pieces(polygons, ground), return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring_of_vertex = shapely.get_coordinates(rings, return_index=True)
    lon, lat = ground.to_degrees(*xy.T)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise _off_the_earth(ground)
    starts = np.flatnonzero(np.append(True, np.diff(ring_of_vertex) != 0)) if len(xy) else np.zeros(0, int)
    sizes = [
        abs(ground.geod.polygon_area_perimeter(*ring)[0])
        for ring in zip(np.split(lon, starts[1:]), np.split(lat, starts[1:]), strict=True)
        if len(xy)
    ]
    # Ring by ring, so that it does not matter which way a hole turns; the first ring of a part is its shell.
    is_shell = np.append(True, np.diff(part_of_ring) != 0)[: len(rings)]
    signed = np.where(is_shell, sizes, -np.asarray(sizes)) if len(rings) else np.zeros(0)
    return np.bincount(polygon_of_part[part_of_ring], weights=signed, minlength=len(polygons)).astype(float)


def pixel_areas_m2(grid: Grid, window: Window) -> Floats:
    """Measure the pixels of a window on the ground, row by row and without tracing a single one.

    Args:
        grid: The raster's grid.
        window: A window of it; where areas change along a row, as at a pole, it should be narrow.

    Returns:
        The area of a pixel of each row in square metres, an array (height,): that in the middle of the row, which is
        off by 1 in 100,000 for pixels of one degree. Square units of the transform without a CRS; 1 without either;
        NaN where the row is off the Earth.

    Raises:
        DataError: For a CRS without horizontal coordinates.
    """
    a, b, _, d, e, _ = grid.transform[:6]
    square_units = abs(a * e - b * d)
    if grid.map_crs is None:
        return np.full(window.height, square_units)
    ground = ground_of(grid.map_crs)
    unit = ground.true_unit_m(grid.bounds, 2)
    if unit is not None:
        return np.full(window.height, square_units * unit**2)
    rows = window.row_off + np.arange(window.height) + 0.5
    x, y = grid.xy(rows, np.full(window.height, window.col_off + window.width / 2))  # type: ignore[arg-type] # arrays add up alike
    return np.asarray(square_units * np.linalg.norm(np.cross(*ground.derivatives(x, y)), axis=-1), dtype=float)


def buffered_m(geometries: Geometries, radii_m: Floats, crs: str | None, center: tuple[float, float]) -> Geometries:
    """Widen geometries by metres on the ground, with round ends.

    Args:
        geometries: Geometries in the CRS, within some 50 km of the centre, where a buffer is off by 1 in 100,000.
        radii_m: A radius for each, in metres.
        crs: Their CRS; None where their units stand for metres.
        center: A place (x, y) amid them, in the CRS.

    Returns:
        Everything within the radius of each, in the CRS.

    Raises:
        DataError: For a CRS without horizontal coordinates, and for geometries that leave the Earth.
    """
    ground = None if crs is None else ground_of(crs)
    unit = _true_unit_m(geometries, ground, 1)
    if ground is None or ground.geod is None or unit is not None:
        return _buffered(geometries, radii_m / (unit or 1.0))
    lon, lat = (float(angle) for angle in ground.to_degrees(*center))
    if not np.isfinite(lon):
        raise _off_the_earth(ground)
    local = pyproj.Proj(proj="aeqd", lon_0=lon, lat_0=lat, a=ground.geod.a, b=ground.geod.b)
    widened = _buffered(_moved(geometries, lambda x, y: local(*ground.to_degrees(x, y))), radii_m)

    def back(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        lons, lats = local(x, y, inverse=True)
        # On the side of the antimeridian where the centre lies.
        return ground.from_degrees(lon + (np.asarray(lons) - lon + 180) % 360 - 180, lats)

    return _moved(widened, back)


def _true_unit_m(geometries: Geometries, ground: Ground | None, power: int) -> float | None:
    bounds = shapely.total_bounds(geometries)
    if ground is None or not np.isfinite(bounds).all():
        return None if ground is None or ground.geod is not None else ground.unit_m
    return ground.true_unit_m((bounds[0], bounds[1], bounds[2], bounds[3]), power)


def _in_pieces(geometries: Geometries, ground: Ground) -> Geometries:
    if ground.unit_m is None:
        return geometries
    return np.asarray(shapely.segmentize(geometries, _PIECE_M / ground.unit_m), dtype=object)


def _buffered(geometries: Geometries, radii: Floats) -> Geometries:
    return np.asarray(shapely.buffer(geometries, radii, quad_segs=_CORNERS_PER_QUARTER), dtype=object)


def _moved(geometries: Geometries, way: Any) -> Geometries:
    return np.asarray(shapely.transform(geometries, way, interleaved=False), dtype=object)


def _off_the_earth(ground: Ground) -> DataError:
    return DataError(f"Some coordinates have no place on the ground in {ground.name}. Is the CRS of the file right?")

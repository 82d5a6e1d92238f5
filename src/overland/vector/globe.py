"""Geometries in longitude and latitude as GeoJSON wants them: from -180 to 180, cut at the antimeridian, poles filled.

A polygon around a pole has no ring in longitude and latitude that goes round it. So it is cut along four meridians in
its own CRS; in each quarter the pole becomes an edge along the latitude of 90 degrees. Source: RFC 7946, 3.1.9.
"""

from __future__ import annotations

import numpy as np
import shapely

from overland.errors import DataError
from overland.geo.crs import Ground, ground_of
from overland.geo.measures import reprojected
from overland.vector.layer import Floats, Geometries
from overland.vector.place import grouped, shifted, unwrapped

__all__ = ["to_longitude_latitude"]

_WGS84 = "EPSG:4326"
_QUARTERS = ((-180.0, -90.0), (-90.0, 0.0), (0.0, 90.0), (90.0, 180.0))
# Vertices along the edges of a quarter; between them a meridian or a parallel is taken for straight in the CRS.
_VERTICES = 64
# An edge that passes close to a pole is bent in longitude and latitude: so many parts of the polygon's extent are not.
_PIECES = 512
_AT_POLE = 1e-7
_SNAP_DEGREES = 1e-10


def to_longitude_latitude(geometries: Geometries, crs: str) -> Geometries:
    """Bring geometries to longitude and latitude (WGS 84) between -180 and 180 degrees.

    Args:
        geometries: Geometries (n,) in their CRS; longitudes may go beyond 180 degrees.
        crs: Their CRS.

    Returns:
        Geometries (n,): those that cross the antimeridian in parts on both sides, polygons around a pole with an edge
        along it.

    Raises:
        DataError: The CRS does not lead to longitude and latitude, or a vertex has no place on the Earth.
    """
    ground = ground_of(crs)
    if ground.geod is None:
        raise DataError(
            f"{ground.name} is a local CRS without longitude and latitude, which GeoJSON needs. Write a .gpkg or a "
            ".parquet: they keep the CRS."
        )
    if not len(geometries):
        return geometries
    # A copy, since nothing moves when the CRS is longitude and latitude already.
    moved: Geometries = reprojected(geometries, crs, _WGS84).copy()
    if ground.unit_m is None:
        return _between_turns(moved)
    around = {index: pole for pole in (90.0, -90.0) for index in _around_pole(geometries, ground, pole)}
    others = np.setdiff1d(np.arange(len(geometries)), list(around))
    moved[others] = _between_turns(unwrapped(moved[others]))
    for index, pole in around.items():
        # A polygon that holds a pole gets an edge along the pole.
        polygon = geometries[index]
        west, south, east, north = shapely.bounds(polygon)
        bent = shapely.segmentize(polygon, max(east - west, north - south) / _PIECES)
        _, latitudes = ground.to_degrees(*shapely.get_coordinates(bent).T)
        outer = np.sign(pole) * max(float(np.abs(latitudes).min()) - 1, 0)
        along, quarters = np.linspace(outer, pole, _VERTICES), []
        for start, end in _QUARTERS:
            # The ground between two meridians, from the pole to beyond the polygon.
            lon = np.concatenate(
                [np.linspace(start, end, _VERTICES), np.full(_VERTICES, end), np.full(_VERTICES, start)]
            )
            lat = np.concatenate([np.full(_VERTICES, outer), along, along[::-1]])
            quarter = shapely.Polygon(np.column_stack(ground.from_degrees(lon, lat))).buffer(0)
            piece = shapely.intersection(bent, quarter)
            for part in shapely.get_parts(piece):
                if shapely.get_dimensions(part) == 2:
                    shell, *holes = (
                        _ring_in_degrees(ring, ground, start, end, pole) for ring in (part.exterior, *part.interiors)
                    )
                    quarters.append(shapely.make_valid(shapely.Polygon(shell, holes)))
        moved[index] = shapely.union_all(quarters, grid_size=_SNAP_DEGREES)
    return moved


def _between_turns(geometries: Geometries) -> Geometries:
    """Cut geometries at 180 degrees of longitude, any number of turns, and move the parts to -180..180."""
    if not len(geometries):
        return geometries
    left, _, right, _ = shapely.bounds(geometries).T
    if ((left >= -180) & (right <= 180)).all():
        return geometries
    parts, owner = shapely.get_parts(geometries, return_index=True)
    left, _, right, _ = shapely.bounds(parts).T
    dimension = shapely.get_dimensions(parts)
    first, last = (np.floor((value + 180) / 360) for value in (left + _SNAP_DEGREES, right - _SNAP_DEGREES))
    last = np.maximum(first, last)
    found, owners = [], []
    for turn in range(int(first.min()), int(last.max()) + 1):
        here = np.flatnonzero((first <= turn) & (turn <= last))
        whole = first[here] == last[here]
        cut = here[~whole]
        window = shapely.box(360 * turn - 180, -91, 360 * turn + 180, 91)
        pieces, piece_of = shapely.get_parts(shapely.intersection(parts[cut], window), return_index=True)
        kept = shapely.get_dimensions(pieces) == dimension[cut][piece_of]
        members = np.concatenate([parts[here[whole]], pieces[kept]])
        owners.append(np.concatenate([owner[here[whole]], owner[cut][piece_of[kept]]]))
        moved = shifted(members, -360.0 * turn)
        found.append(shapely.transform(moved, lambda xy: np.clip(xy, [-180, -90], [180, 90])))
    return grouped(np.concatenate(found), np.concatenate(owners), geometries)


def _around_pole(geometries: Geometries, ground: Ground, latitude: float) -> list[int]:
    x, y = ground.from_degrees(0.0, latitude)
    if not (np.isfinite(x) and np.isfinite(y)):
        return []
    _, lat = ground.to_degrees(x, y)
    if not abs(float(lat) - latitude) < _AT_POLE:
        return []
    pole = shapely.Point(float(x), float(y))
    parts, owner = shapely.get_parts(geometries, return_index=True)
    is_polygon = shapely.get_dimensions(parts) == 2
    # With a hole at the pole it goes round it as well.
    filled = shapely.polygons(shapely.get_exterior_ring(parts[is_polygon]))
    return sorted(set(owner[is_polygon][shapely.intersects(filled, pole)].tolist()))


def _ring_in_degrees(ring: shapely.LinearRing, ground: Ground, start: float, end: float, pole: float) -> Floats:
    lon, lat = ground.to_degrees(*shapely.get_coordinates(ring)[:-1].T)
    middle = (start + end) / 2
    lon = np.clip(middle + (lon - middle + 180) % 360 - 180, start, end)
    at_pole = np.abs(lat - pole) < _AT_POLE
    vertices: list[tuple[float, float]] = []
    for index in range(len(lon)):
        if not at_pole[index]:
            vertices.append((float(lon[index]), float(lat[index])))
            continue
        # The pole has every longitude: its edge leads from that of the vertex before to that of the one after.
        around = (index - 1, (index + 1) % len(lon))
        vertices += [(float(lon[neighbour]), pole) for neighbour in around if not at_pole[neighbour]]
    return np.array(vertices)

"""Vectors brought to the grid of a raster: longitudes go round, so that 190 and -170 degrees are one place."""

from __future__ import annotations

import numpy as np
import shapely

from overland.geo.crs import ground_of, horizontal_crs
from overland.geo.grid import Grid
from overland.geo.measures import reprojected
from overland.vector.layer import Floats, Geometries, Ints

__all__ = ["geometries_on_grid", "grouped", "shifted", "turn_of", "unwrapped"]

# A straight edge in degrees is a curve in most projections; longer ones than this get vertices between.
_LONGEST_EDGE_DEGREES = 0.5
_AREAL = 2


def geometries_on_grid(geometries: Geometries, crs: str | None, grid: Grid) -> Geometries:
    """Bring geometries to the map coordinates of a raster.

    On a raster in longitude and latitude, which may be counted from 0 to 360 or run over the antimeridian, each part of
    a geometry is moved by whole turns to where the raster is; a part that is there in two turns is there twice.

    Args:
        geometries: Geometries (n,) in their CRS.
        crs: Their CRS; None where they are in the units of the raster.
        grid: The grid of the raster.

    Returns:
        Geometries (n,) in the map coordinates of the grid.

    Raises:
        DataError: Only one of both has a CRS, no way leads from one to the other, or a vertex has no place there.
    """
    target = grid.map_crs
    is_geographic = crs is not None and bool(horizontal_crs(crs).is_geographic)
    if is_geographic and target is not None and not grid.is_geographic:
        geometries = shapely.segmentize(geometries, _LONGEST_EDGE_DEGREES / 360 * turn_of(str(crs)))
    moved = reprojected(geometries, crs, target)
    if target is None or not grid.is_geographic or not len(moved):
        return moved
    turn = turn_of(target)
    # In degrees an edge of a polygon that spans half the Earth is meant so (RFC 7946, 3.1.9); one of a road is not.
    moved = unwrapped(moved, turn, polygons=not is_geographic)
    # Parts go by whole turns to between the raster's sides; those that are never there stay.
    west, _, east, _ = grid.bounds
    left, _, right, _ = shapely.bounds(moved).T
    if (
        (left >= min(west, -turn / 2)) & (right <= max(east, turn / 2))
    ).all() and -turn / 2 <= west <= east <= turn / 2:
        return moved
    parts, owner = shapely.get_parts(moved, return_index=True)
    left, _, right, _ = shapely.bounds(parts).T
    found, owners, placed = [], [], np.zeros(len(parts), dtype=bool)
    for number in range(-3, 4):
        meets = np.flatnonzero((left + number * turn < east) & (right + number * turn > west))
        found.append(shifted(parts[meets], number * turn))
        owners.append(owner[meets])
        placed[meets] = True
    found.append(parts[~placed])
    owners.append(owner[~placed])
    return grouped(np.concatenate(found), np.concatenate(owners), moved)


def turn_of(crs: str) -> float:
    """Return a whole turn of longitude.

    Args:
        crs: A geographic CRS.

    Returns:
        The turn in its units: 360 degrees, 400 grads.
    """
    return 360.0 / ground_of(crs).degrees_per_unit


def unwrapped(geometries: Geometries, turn: float = 360.0, *, polygons: bool = True) -> Geometries:
    """Move vertices by whole turns, so that no edge of a part is longer than half a turn.

    Args:
        geometries: Geometries (n,) whose x are longitudes.
        turn: A whole turn in their units.
        polygons: Do so with polygons, too, and not only with lines.

    Returns:
        Geometries (n,); their longitudes may go beyond half a turn.
    """
    parts, owner = shapely.get_parts(geometries, return_index=True)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    jumps = (np.abs(np.diff(xy[:, 0])) > turn / 2) & (part[1:] == part[:-1])
    wide = np.unique(part[1:][jumps])
    if not polygons:
        wide = wide[shapely.get_dimensions(parts[wide]) < _AREAL]
    if not len(wide):
        return geometries

    def without_jumps(at: Floats) -> Floats:
        # By whole turns exactly, because unwrapping rounds and a ring would no longer end where it began.
        x = at[:, 0] + turn * np.round((np.unwrap(at[:, 0], period=turn) - at[:, 0]) / turn)
        # A ring round a pole does not come back to where it began.
        is_closed = np.array_equal(at[0], at[-1])
        return at if is_closed and abs(x[-1] - x[0]) > turn / 2 else np.column_stack([x, at[:, 1]])

    for index in wide.tolist():
        parts[index] = shapely.transform(parts[index], without_jumps)
    return grouped(parts, owner, geometries)


def shifted(geometries: Geometries, x: float) -> Geometries:
    """Move geometries along x.

    Args:
        geometries: Geometries (n,).
        x: Distance in their units.

    Returns:
        Geometries (n,).
    """
    return np.asarray(shapely.transform(geometries, lambda xy: xy + np.array([x, 0.0])), dtype=np.object_)


def grouped(parts: Geometries, owner: Ints, geometries: Geometries) -> Geometries:
    """Put parts together again.

    Args:
        parts: Single-part geometries (m,).
        owner: The geometry that each is a part of (m,).
        geometries: Geometries (n,); those that no part is of stay.

    Returns:
        Geometries (n,), multi-part where several parts are of one.
    """
    order = np.argsort(owner, kind="stable")
    parts, owner = parts[order], owner[order]
    counts = np.bincount(owner, minlength=len(geometries))
    result = geometries.copy()
    single = counts == 1
    starts = np.cumsum(counts) - counts
    result[single] = parts[starts[single]]
    for index in np.flatnonzero(counts > 1).tolist():
        members = parts[starts[index] : starts[index] + counts[index]]
        kinds = set(shapely.get_dimensions(members).tolist())
        if kinds == {0}:
            result[index] = shapely.MultiPoint(members.tolist())
        elif kinds == {1}:
            result[index] = shapely.MultiLineString(members.tolist())
        elif kinds == {2}:
            result[index] = shapely.MultiPolygon(members.tolist())
        else:
            result[index] = shapely.GeometryCollection(members.tolist())
    return result

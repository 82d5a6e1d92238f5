"""From one CRS to another, and buffers whose radius is in metres whatever the CRS."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj.crs import ProjectedCRS
from pyproj.crs.coordinate_operation import AzimuthalEquidistantConversion

from overland.errors import DataError
from overland.vector.ground import metres_per_unit

__all__ = ["buffered_m", "reprojected"]

Geometries = npt.NDArray[Any]

# Between its corners a circle of radius r is then drawn .005 r too small: 2 cm at the end of a road of 8 m.
_CORNERS_PER_QUARTER = 8


def reprojected(geometries: Geometries, crs: str | None, target: str | None) -> Geometries:
    """Move geometries to another CRS, vertex by vertex, x before y; unchanged when both are the same.

    Raises `DataError` when only one of both is known, and when a vertex has no place in the target.
    """
    if (crs is None) != (target is None):
        raise DataError(f"The vectors have the CRS {crs} and the raster {target}; both or none need one.")
    if crs is None or target is None or pyproj.CRS.from_user_input(crs) == pyproj.CRS.from_user_input(target):
        return geometries
    moved = _moved(geometries, crs, target)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise DataError(f"Some vectors in {crs} have no place in {target}. Is the CRS of both files right?")
    return moved


def buffered_m(
    geometries: Geometries, radii_m: npt.NDArray[np.float64], crs: str | None, center: tuple[float, float]
) -> Geometries:
    """Everything within `radii_m` of each geometry, with round ends, in the CRS of the geometries.

    A projected CRS is taken at its units, pixels without a CRS. In degrees and in Web Mercator the buffer is made in
    an azimuthal equidistant projection about `center` (x, y in `crs`): 50 km from there it is off by 1 in 100,000.
    """
    unit_m = metres_per_unit(crs)
    if crs is None or unit_m is not None:
        return _buffered(geometries, radii_m / (unit_m or 1.0))
    local = _local_crs(crs, center)
    return _moved(_buffered(_moved(geometries, crs, local), radii_m), local, crs)


def _buffered(geometries: Geometries, radii: npt.NDArray[np.float64]) -> Geometries:
    return np.asarray(shapely.buffer(geometries, radii, quad_segs=_CORNERS_PER_QUARTER), dtype=object)


def _moved(geometries: Geometries, crs: Any, target: Any) -> Geometries:
    transformer = pyproj.Transformer.from_crs(crs, target, always_xy=True)
    return np.asarray(shapely.transform(geometries, transformer.transform, interleaved=False), dtype=object)


def _local_crs(crs: str, center: tuple[float, float]) -> pyproj.CRS:
    degrees = pyproj.CRS.from_user_input(crs).geodetic_crs
    lon, lat = pyproj.Transformer.from_crs(crs, degrees, always_xy=True).transform(*center)
    # On the same datum, so that nothing but the projection differs.
    return ProjectedCRS(AzimuthalEquidistantConversion(lat, lon), geodetic_crs=degrees)

"""Coordinate reference systems: which two are the same, and how their coordinates lie on the ground.

Whatever the CRS, sizes on the ground come from one primitive: the derivative of a place on the CRS's own ellipsoid, in
metres, with respect to the two map coordinates. It holds for degrees and grads, feet and kilometres, every projection,
polar and rotated ones, compound CRSs and other planets. A CRS that does not lead to longitude and latitude either has
units of length (a local CRS, which is taken for a plane) or is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import CRSError, ProjError

from overland.errors import DataError

__all__ = ["Floats", "Ground", "ground_of", "horizontal_crs", "is_same_crs", "transformer_between"]

Floats = npt.NDArray[np.float64]
"""Numbers in double precision."""

# A projected CRS is believed where its units are true to this: UTM and state plane are, inside their zones.
_TRUE_TO = 0.003
_STEP_M = 100.0
_STEP_DEGREES = 1e-3


@lru_cache(maxsize=256)
def horizontal_crs(crs: str) -> pyproj.CRS:
    """Parse a CRS and leave out its heights.

    Args:
        crs: An authority code ("EPSG:32633"), WKT or a PROJ string.

    Returns:
        The CRS of the two horizontal coordinates: the first part of a compound CRS, the 2D form of a 3D one.

    Raises:
        DataError: When PROJ does not know it.
    """
    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise DataError(f"{crs[:80]} is no coordinate reference system that PROJ knows.") from error
    while parsed.is_compound:
        parsed = parsed.sub_crs_list[0]
    return parsed.to_2d() if len(parsed.axis_info) > 2 and not parsed.is_geocentric else parsed


@lru_cache(maxsize=256)
def is_same_crs(one: str | None, other: str | None) -> bool:
    """Tell whether two CRSs mean the same horizontal coordinates, whatever their names, axis orders and heights.

    Args:
        one: A CRS, or None.
        other: Another, or None.

    Returns:
        True when they are the same, and when both are None.
    """
    if one is None or other is None or one == other:
        return one == other
    return bool(horizontal_crs(one).equals(horizontal_crs(other), ignore_axis_order=True))


@lru_cache(maxsize=256)
def transformer_between(crs: str, target: str) -> pyproj.Transformer:
    """Give the way from one CRS to another, x before y.

    Args:
        crs: The CRS of the coordinates.
        target: The CRS that they are brought to.

    Returns:
        PROJ's transformer.

    Raises:
        DataError: When there is no way, as from degrees to the local CRS of a building site.
    """
    try:
        return pyproj.Transformer.from_crs(horizontal_crs(crs), horizontal_crs(target), always_xy=True)
    except ProjError as error:
        local = next((name for name in (crs, target) if horizontal_crs(name).is_engineering), None)
        reason = f"{_name(local)} is a local CRS without longitude and latitude" if local else "PROJ knows no way"
        raise DataError(f"Coordinates in {_name(crs)} cannot be brought to {_name(target)}: {reason}.") from error


@dataclass(frozen=True)
class Ground:
    """A CRS as a measure of the ground: its units, its ellipsoid and the way to degrees; made by `ground_of`."""

    name: str
    """The CRS as people call it."""
    unit_m: float | None
    """Metres in a unit of its coordinates; None where they are angles."""
    geod: pyproj.Geod | None
    """Its ellipsoid; None for a local CRS, which is a plane."""
    degrees_per_unit: float = 1.0
    """Degrees in a unit of its longitudes and latitudes, which may be grads."""
    way: pyproj.Transformer | None = None
    """The way to longitude and latitude, None where the coordinates are such or the CRS is a plane."""

    def to_degrees(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Bring map coordinates to longitude and latitude on the CRS's own ellipsoid.

        Args:
            x: Map coordinates to the right, an array of any shape.
            y: Map coordinates upwards, of the same shape.

        Returns:
            Longitudes and latitudes in degrees, NaN for places that are not on the Earth.
        """
        if self.way is not None:
            x, y = self.way.transform(x, y)
        lon, lat = (np.asarray(value, dtype=float) * self.degrees_per_unit for value in (x, y))
        is_place = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90 + 2 * _STEP_DEGREES)
        return np.where(is_place, lon, np.nan), np.where(is_place, lat, np.nan)

    def from_degrees(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Bring longitudes and latitudes in degrees to map coordinates; the inverse of `to_degrees`.

        Args:
            lon: Longitudes, an array of any shape.
            lat: Latitudes, of the same shape.

        Returns:
            Map coordinates to the right and upwards.
        """
        x, y = (np.asarray(value, dtype=float) / self.degrees_per_unit for value in (lon, lat))
        if self.way is not None:
            x, y = self.way.transform(x, y, direction="INVERSE")
        return np.asarray(x, dtype=float), np.asarray(y, dtype=float)

    def derivatives(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Give the metres on the ground in a unit of either coordinate, as vectors in space.

        Args:
            x: Map coordinates to the right, an array of any shape.
            y: Map coordinates upwards, of the same shape.

        Returns:
            Two arrays (*shape, 3): the way on the ground of one unit to the right, and of one unit upwards. NaN for
            places that are not on the Earth.
        """
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if self.geod is None:
            flat = np.zeros((2, *x.shape, 3))
            flat[0, ..., 0] = flat[1, ..., 1] = self.unit_m
            return flat[0], flat[1]
        step = _STEP_M / self.unit_m if self.unit_m else _STEP_DEGREES / self.degrees_per_unit
        right, left = self._in_space(x + step, y), self._in_space(x - step, y)
        above, below = self._in_space(x, y + step), self._in_space(x, y - step)
        return (right - left) / (2 * step), (above - below) / (2 * step)

    def true_unit_m(self, bounds: tuple[float, float, float, float], power: int) -> float | None:
        """Give the metres in a unit where the plane of the CRS is true to 0.3 %, as UTM is inside its zone.

        Args:
            bounds: The extent that is asked about: left, bottom, right, top in map coordinates.
            power: 1 for lengths, 2 for areas.

        Returns:
            Metres in a unit; None where lengths or areas have to be measured on the ellipsoid.
        """
        if self.geod is None or self.unit_m is None:
            return self.unit_m
        left, bottom, right, top = bounds
        x, y = np.meshgrid(np.linspace(left, right, 3), np.linspace(bottom, top, 3))
        along_x, along_y = self.derivatives(x, y)
        if power == 1:
            diagonals = ((along_x + along_y) / math.sqrt(2), (along_x - along_y) / math.sqrt(2))
            scales = np.array([np.linalg.norm(way, axis=-1) for way in (along_x, along_y, *diagonals)]) / self.unit_m
        else:
            scales = np.linalg.norm(np.cross(along_x, along_y), axis=-1) / self.unit_m**2
        # A comparison with NaN is False: extents that leave the Earth are measured vertex by vertex.
        return self.unit_m if (np.abs(scales - 1) <= _TRUE_TO).all() else None

    def _in_space(self, x: Floats, y: Floats) -> Floats:
        assert self.geod is not None
        lon, lat = (np.radians(angle) for angle in self.to_degrees(x, y))
        across = self.geod.a / np.sqrt(1 - self.geod.es * np.sin(lat) ** 2)
        return np.stack(
            [
                across * np.cos(lat) * np.cos(lon),
                across * np.cos(lat) * np.sin(lon),
                across * (1 - self.geod.es) * np.sin(lat),
            ],
            axis=-1,
        )


@lru_cache(maxsize=256)
def ground_of(crs: str) -> Ground:
    """Tell how the coordinates of a CRS lie on the ground.

    Args:
        crs: An authority code, WKT or a PROJ string.

    Returns:
        Its units, its ellipsoid, and the way to longitude and latitude.

    Raises:
        DataError: For a CRS that PROJ does not know, and one without horizontal coordinates (geocentric, vertical).
    """
    parsed = horizontal_crs(crs)
    axis: Any = parsed.axis_info[0] if parsed.axis_info else None
    unit = float(axis.unit_conversion_factor) if axis is not None else 1.0
    if parsed.is_engineering and unit > 0 and (axis is None or axis.unit_name not in ("degree", "radian", "grad")):
        return Ground(_name(crs), unit, None)
    geod = parsed.get_geod()
    if geod is None or parsed.is_geocentric or not (parsed.is_geographic or parsed.is_projected or parsed.is_bound):
        raise DataError(f"{_name(crs)} is a {parsed.type_name}: it has no lengths and areas on the ground.")
    # A bound CRS says how it goes to its hub: that is what makes a sphere's Mercator the web's.
    base = parsed.target_crs if parsed.is_bound else parsed.source_crs if parsed.is_derived else parsed.geodetic_crs
    if parsed.is_projected and not parsed.is_bound:
        base = parsed.geodetic_crs
    assert base is not None
    base = base.to_2d() if len(base.axis_info) > 2 else base
    way = None if base == parsed else pyproj.Transformer.from_crs(parsed, base, always_xy=True)
    return Ground(
        name=_name(crs),
        unit_m=None if parsed.is_geographic else unit,
        geod=base.get_geod() or geod,
        degrees_per_unit=math.degrees(base.axis_info[0].unit_conversion_factor),
        way=way,
    )


def _name(crs: str) -> str:
    return crs if len(crs) <= 40 else horizontal_crs(crs).name

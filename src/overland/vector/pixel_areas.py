"""Areas of pixels on the ground, row by row, without tracing a single one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj

from overland.raster import Grid, Window
from overland.vector.ground import metres_per_unit

__all__ = ["pixel_areas_m2"]

Floats = npt.NDArray[np.float64]


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

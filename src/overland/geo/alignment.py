"""The one gate for rasters that are to be compared pixel by pixel: do they lie on each other?

Everything that lays one raster on another asks here: evaluation, assessment, reports, probabilities of a class map.
"""

from __future__ import annotations

import numpy as np

from overland.errors import DataError
from overland.geo.crs import is_same_crs, transformer_between
from overland.geo.grid import Grid

__all__ = ["check_same_grid"]

# In pixels. Two names of one CRS may differ by rounding; a grid that is off by a tenth of a pixel is another one.
_SAME_CRS, _OTHER_CRS = 0.01, 0.05


def check_same_grid(one: Grid, other: Grid, names: tuple[str, str], *, advice: str) -> None:
    """Make sure that two rasters lie on each other, pixel on pixel.

    Sizes must be equal. Where both have coordinates their corners must be at one place, whatever name the CRS has;
    where one lacks a CRS its coordinates are taken for those of the other. A raster without any coordinates, such as a
    PNG, is compared by its size alone.

    Args:
        one: The first grid.
        other: The second grid.
        names: The files, for the error.
        advice: A sentence on the remedy, for the error.

    Raises:
        DataError: When they do not.
    """
    first, second = names
    if (one.height, one.width) != (other.height, other.width):
        raise DataError(
            f"{first} has {one.height} x {one.width} pixels, {second} has {other.height} x {other.width}. {advice}"
        )
    if not (one.has_coordinates and other.has_coordinates):
        return
    corners = [other.xy(row, col) for row in (0, other.height) for col in (0, other.width)]
    x, y = np.array(corners, dtype=float).T
    tolerance = _SAME_CRS
    if one.map_crs is not None and other.map_crs is not None and not is_same_crs(one.map_crs, other.map_crs):
        try:
            x, y = transformer_between(other.map_crs, one.map_crs).transform(x, y)
        except DataError:
            x = np.full(4, np.nan)
        tolerance = _OTHER_CRS
    own = np.array([one.xy(row, col) for row in (0, one.height) for col in (0, one.width)], dtype=float).T
    a, b, _, d, e, _ = one.transform[:6]
    pixel = min(np.hypot(a, d), np.hypot(b, e))
    # A comparison with NaN is False: a place that the other CRS does not have is another place.
    if not (np.hypot(x - own[0], y - own[1]) <= tolerance * pixel).all():
        raise DataError(f"{first} and {second} do not lie on one grid: {_place(one)}, {_place(other)}. {advice}")


def _place(grid: Grid) -> str:
    left, bottom, right, top = (f"{value:.10g}" for value in grid.bounds)
    return f"{grid.crs or 'no CRS'} at ({left}, {bottom}, {right}, {top})"

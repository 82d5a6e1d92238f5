"""Pictures in Web Mercator, the projection of map tiles: where each pixel of one comes from.

The exact transformation is made at every 16th pixel and interpolated between: on a scene of 100 km the error is far
below a pixel of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj import Transformer
from pyproj.crs import ProjectedCRS
from pyproj.crs.coordinate_operation import AzimuthalEquidistantConversion
from scipy.ndimage import zoom

from overland.errors import DataError
from overland.geo.measures import metres_per_unit
from overland.raster import Grid

__all__ = [
    "MercatorGrid",
    "buffered_m",
    "lines_to_picture",
    "mercator_grid",
    "reprojected",
    "warped",
]


# From one CRS to another, and buffers whose radius is in metres whatever the CRS.

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


_MERCATOR = "EPSG:3857"
_EVERY = 16
_RADIUS = 6378137.0
_FAR = 1e6


@dataclass(frozen=True)
class MercatorGrid:
    """A picture's place: `left`, `top` and `resolution` in Web Mercator's metres, and what it shows.

    `rows` and `cols` (height, width) are where each of its pixels lies in the picture that it is made from, in pixels
    of that; `metres_per_pixel` is the size of a pixel on the ground at the centre.
    """

    left: float
    top: float
    resolution: float
    rows: npt.NDArray[np.float32]
    cols: npt.NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self.rows.shape
        return height, width

    @property
    def metres_per_pixel(self) -> float:
        """Size of a pixel on the ground at the picture's centre."""
        north = self.top - self.resolution * self.shape[0] / 2
        return self.resolution / math.cosh(north / _RADIUS)


def mercator_grid(grid: Grid, step: int) -> MercatorGrid:
    """The Web Mercator picture of a raster that was reduced by `step`, of about as many pixels.

    Raises `DataError` for a place that Web Mercator does not have, such as a pole.
    """
    xs, ys = Transformer.from_crs(grid.crs, _MERCATOR, always_xy=True).transform(*_outline(grid))
    if not (np.isfinite(xs).all() and np.isfinite(ys).all()):
        raise DataError("The scene has no place on a web map: its coordinates do not fit its CRS, or it is a pole.")
    left, top, right, bottom = xs.min(), ys.max(), xs.max(), ys.min()
    diagonal = math.hypot(grid.height, grid.width) / step
    resolution = math.hypot(right - left, top - bottom) / diagonal
    shape = max(1, math.ceil((top - bottom) / resolution)), max(1, math.ceil((right - left) / resolution))
    rows, cols = _source_pixels(grid, step, (left, top, resolution), shape)
    return MercatorGrid(float(left), float(top), float(resolution), rows, cols)


def warped(picture: npt.NDArray[np.uint8], mercator: MercatorGrid) -> npt.NDArray[np.uint8]:
    """A picture (height, width, 3 or 4) on the grid, RGBA with nothing outside; each pixel takes the nearest one's."""
    rows, cols = np.floor(mercator.rows).astype(np.int32), np.floor(mercator.cols).astype(np.int32)
    height, width, channels = picture.shape
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    result = np.zeros((*mercator.shape, 4), np.uint8)
    result[inside, :channels] = picture[rows[inside], cols[inside]]
    if channels == 3:
        result[inside, 3] = 255
    return result


def lines_to_picture(
    lines: list[npt.NDArray[np.float64]], crs: str | None, mercator: MercatorGrid
) -> list[npt.NDArray[np.float64]]:
    """Lines (points, 2) of map coordinates as pixels of the picture, across and down."""
    transformer = Transformer.from_crs(crs, _MERCATOR, always_xy=True)
    moved = [np.column_stack(transformer.transform(*line.T)) for line in lines]
    origin = np.array([mercator.left, mercator.top])
    return [(line - origin) * [1, -1] / mercator.resolution for line in moved]


def _outline(grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    part = np.linspace(0, 1, 33)
    zero, one = np.zeros_like(part), np.ones_like(part)
    rows = np.concatenate([zero, one, part, part]) * grid.height
    cols = np.concatenate([part, part, zero, one]) * grid.width
    a, b, c, d, e, f = grid.transform[:6]
    return a * cols + b * rows + c, d * cols + e * rows + f


def _source_pixels(
    grid: Grid, step: int, place: tuple[float, float, float], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    left, top, resolution = place
    count = tuple(side // _EVERY + 2 for side in shape)
    down, across = np.meshgrid(np.arange(count[0]) * _EVERY, np.arange(count[1]) * _EVERY, indexing="ij")
    back = Transformer.from_crs(_MERCATOR, grid.crs, always_xy=True)
    xs, ys = back.transform(left + (across + 0.5) * resolution, top - (down + 0.5) * resolution)
    a, b, c, d, e, f = tuple(~grid.transform)[:6]
    cols, rows = (a * xs + b * ys + c) / step, (d * xs + e * ys + f) / step
    return _refined(rows, shape), _refined(cols, shape)


def _refined(coarse: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    # A place that the scene's CRS does not have lies outside the picture.
    coarse = np.clip(np.nan_to_num(coarse, nan=-_FAR, posinf=-_FAR, neginf=-_FAR), -_FAR, _FAR)
    factors = [((side - 1) * _EVERY + 1) / side for side in coarse.shape]
    fine = zoom(coarse, factors, order=1)
    return np.ascontiguousarray(fine[: shape[0], : shape[1]], dtype=np.float32)

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
from pyproj import Transformer
from scipy.ndimage import zoom

from overland.errors import DataError
from overland.raster import Grid

__all__ = ["MercatorGrid", "lines_to_picture", "mercator_grid", "warped"]

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

"""Value types for pixels and ground: a window of pixels, and the grid that ties pixels to the ground."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from affine import Affine
from rasterio.crs import CRS

__all__ = ["Grid", "Window", "iter_windows"]

_METRES_PER_DEGREE = 111_320.0
# Its metres are metres of the ground at the equator alone: at 52 degrees a metre of the ground has 1.6 of them.
_WEB_MERCATOR, _EARTH_RADIUS_M = "EPSG:3857", 6_378_137.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of pixels; it may reach beyond the raster where a caller pads.

    It takes keywords only, because libraries disagree on the order of offsets and sizes. Iteration order is rasterio's.
    """

    col_off: int
    """First column, counted from 0 at the left edge of the raster; negative where the window reaches beyond it."""
    row_off: int
    """First row, counted from 0 at the upper edge of the raster; negative where the window reaches beyond it."""
    width: int
    """Number of columns, in pixels."""
    height: int
    """Number of rows, in pixels."""

    @property
    def row_end(self) -> int:
        """First row below the window."""
        return self.row_off + self.height

    @property
    def col_end(self) -> int:
        """First column to the right of the window."""
        return self.col_off + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices into an array of the whole raster."""
        return slice(self.row_off, self.row_end), slice(self.col_off, self.col_end)

    def padded(self, halo: int) -> Window:
        """The window with `halo` pixels more on every side."""
        return Window(
            col_off=self.col_off - halo,
            row_off=self.row_off - halo,
            width=self.width + 2 * halo,
            height=self.height + 2 * halo,
        )

    def intersection(self, other: Window) -> Window:
        """The pixels in both windows; height or width is 0 when they do not meet."""
        row_off, col_off = max(self.row_off, other.row_off), max(self.col_off, other.col_off)
        height = max(0, min(self.row_end, other.row_end) - row_off)
        width = max(0, min(self.col_end, other.col_end) - col_off)
        return Window(col_off=col_off, row_off=row_off, width=width, height=height)

    def shifted(self, rows: int, cols: int) -> Window:
        """The window moved by whole pixels."""
        return replace(self, row_off=self.row_off + rows, col_off=self.col_off + cols)


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a raster lie: size, transform and CRS (an authority code or WKT; None without one).

    `gcps` are ground control points in rasterio's form, for scenes that have no transform.
    """

    height: int
    width: int
    transform: Affine = field(default_factory=Affine.identity)
    crs: str | None = None
    gcps: tuple[Any, ...] = ()
    gcps_crs: str | None = None

    @property
    def window(self) -> Window:
        """The window of the whole raster."""
        return Window(col_off=0, row_off=0, width=self.width, height=self.height)

    @property
    def is_georeferenced(self) -> bool:
        """Whether pixels are tied to the ground by a CRS and a transform."""
        return self.crs is not None and not self.transform.is_identity

    @property
    def is_geographic(self) -> bool:
        """Whether coordinates are degrees of longitude and latitude."""
        return self.crs is not None and bool(CRS.from_user_input(self.crs).is_geographic)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the units of the CRS."""
        corners = [self.xy(row, col) for row in (0, self.height) for col in (0, self.width)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def resolution_m(self) -> float | None:
        """Size of a pixel in metres (mean of both axes), None without a CRS; at the scene's centre for degrees."""
        size = self.pixel_size_m
        return None if size is None else (size[0] + size[1]) / 2

    @property
    def pixel_size_m(self) -> tuple[float, float] | None:
        """Height and width of a pixel on the ground in metres, None without a CRS.

        Where they change over the scene, in degrees and in Web Mercator, they are those of its centre.
        """
        if not self.is_georeferenced:
            return None
        across = math.hypot(self.transform.a, self.transform.d)
        down = math.hypot(self.transform.b, self.transform.e)
        _, bottom, _, top = self.bounds
        if self.is_geographic:
            across *= math.cos(math.radians((bottom + top) / 2))
            return down * _METRES_PER_DEGREE, across * _METRES_PER_DEGREE
        if self.crs == _WEB_MERCATOR:
            shrunk = 1 / math.cosh((bottom + top) / 2 / _EARTH_RADIUS_M)
            return down * shrunk, across * shrunk
        metres_per_unit = float(CRS.from_user_input(self.crs).linear_units_factor[1])
        return down * metres_per_unit, across * metres_per_unit

    def xy(self, row: float, col: float) -> tuple[float, float]:
        """Ground coordinates of a pixel's upper left corner, in the units of the CRS."""
        # Written out, because affine 2 and affine 3 spell this product differently.
        a, b, c, d, e, f = self.transform[:6]
        return a * col + b * row + c, d * col + e * row + f

    def cropped(self, window: Window) -> Grid:
        """The grid of a window; ground control points do not carry over."""
        a, b, _, d, e, _ = self.transform[:6]
        left, top = self.xy(window.row_off, window.col_off)
        moved = Affine(a, b, left, d, e, top) if self.is_georeferenced else Affine.identity()
        return Grid(window.height, window.width, moved, self.crs)


def iter_windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Windows of at most `size` x `size` that cover a raster row by row without overlap."""
    for row_off in range(0, height, size):
        for col_off in range(0, width, size):
            yield Window(
                col_off=col_off, row_off=row_off, width=min(size, width - col_off), height=min(size, height - row_off)
            )

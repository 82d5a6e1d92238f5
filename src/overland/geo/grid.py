"""Value types for pixels and ground: a window of pixels, and the grid that ties pixels to the ground."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from affine import Affine

from overland.errors import DataError
from overland.geo.crs import ground_of, horizontal_crs

__all__ = ["Grid", "PixelSize", "Window", "iter_row_windows", "iter_windows"]

# Files are stored in blocks of so many rows; a block of rows that cuts through them would decode them twice.
_FILE_BLOCK_ROWS = 512
_ROW_BLOCK_PIXELS = 1 << 23


class PixelSize(NamedTuple):
    """The size of a pixel, width before height as in a window."""

    width: float
    """Along a row, in metres on the ground where the CRS is known."""
    height: float
    """Along a column, in the same unit."""


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
        """Widen the window on every side.

        Args:
            halo: Pixels to add on each side.

        Returns:
            The wider window, which may reach beyond the raster.
        """
        return Window(
            col_off=self.col_off - halo,
            row_off=self.row_off - halo,
            width=self.width + 2 * halo,
            height=self.height + 2 * halo,
        )

    def intersection(self, other: Window) -> Window:
        """Cut the window to another.

        Args:
            other: A window of the same raster.

        Returns:
            The pixels in both; height or width is 0 when they do not meet.
        """
        row_off, col_off = max(self.row_off, other.row_off), max(self.col_off, other.col_off)
        height = max(0, min(self.row_end, other.row_end) - row_off)
        width = max(0, min(self.col_end, other.col_end) - col_off)
        return Window(col_off=col_off, row_off=row_off, width=width, height=height)

    def shifted(self, rows: int, cols: int) -> Window:
        """Move the window by whole pixels.

        Args:
            rows: Pixels downwards.
            cols: Pixels to the right.

        Returns:
            The window of the same size there.
        """
        return replace(self, row_off=self.row_off + rows, col_off=self.col_off + cols)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the pixels of a raster lie, in one of three states.

    Without a transform they lie nowhere, and coordinates are pixels. With a transform alone they have coordinates in
    units of their own, as from a world file. With a CRS, too, they lie on the ground.
    """

    height: int
    """Number of rows."""
    width: int
    """Number of columns."""
    transform: Affine = field(default_factory=Affine.identity)
    """The way from (column, row) to map coordinates; the identity where pixels lie nowhere."""
    crs: str | None = None
    """Authority code or WKT; None without one."""
    gcps: tuple[Any, ...] = ()
    """Ground control points in rasterio's form, for scenes that have no transform."""
    gcps_crs: str | None = None
    """The CRS of the ground control points."""
    rpcs: Any = None
    """Rational polynomials of a camera in rasterio's form, for scenes that have no transform."""

    @property
    def window(self) -> Window:
        """The window of the whole raster."""
        return Window(col_off=0, row_off=0, width=self.width, height=self.height)

    @property
    def has_coordinates(self) -> bool:
        """True where pixels have map coordinates, be it in units of their own; without them coordinates are pixels."""
        return not self.transform.is_identity

    @property
    def is_georeferenced(self) -> bool:
        """True where pixels are tied to the ground by a CRS and a transform."""
        return self.crs is not None and self.has_coordinates

    @property
    def map_crs(self) -> str | None:
        """The CRS of the map coordinates; None where they are pixels, or units of their own."""
        return self.crs if self.is_georeferenced else None

    @property
    def is_geographic(self) -> bool:
        """True where coordinates are angles of longitude and latitude."""
        return self.crs is not None and bool(horizontal_crs(self.crs).is_geographic)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in map coordinates."""
        corners = [self.xy(row, col) for row in (0, self.height) for col in (0, self.width)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def resolution_m(self) -> float | None:
        """Size of a pixel on the ground in metres, the mean of both sides at the centre; None where it is not known."""
        size = self.pixel_size_m
        return None if size is None else (size.width + size.height) / 2

    @property
    def pixel_size_m(self) -> PixelSize | None:
        """Size of a pixel at the centre, in metres on the ground; None where it is not known.

        It is not known without a CRS, for a CRS without horizontal coordinates, and where the centre is off the Earth.
        """
        if not self.is_georeferenced:
            return None
        try:
            return self.pixel_size
        except DataError:
            return None

    @property
    def pixel_size(self) -> PixelSize:
        """Size of a pixel at the centre: metres on the ground, units of its own without a CRS, else 1 x 1 pixel.

        Raises `DataError` for a CRS without horizontal coordinates, and where the centre is off the Earth.
        """
        a, b, _, d, e, _ = self.transform[:6]
        if self.map_crs is None:
            return PixelSize(math.hypot(a, d), math.hypot(b, e))
        ground = ground_of(self.map_crs)
        unit = ground.true_unit_m(self.bounds, 1)
        if unit is not None:
            return PixelSize(math.hypot(a, d) * unit, math.hypot(b, e) * unit)
        along_x, along_y = ground.derivatives(*self.xy(self.height / 2, self.width / 2))
        width, height = (float(np.linalg.norm(along_x * x + along_y * y)) for x, y in ((a, d), (b, e)))
        if not (math.isfinite(width) and math.isfinite(height)):
            raise DataError(f"The raster has no place on the ground in {ground.name}. Is its CRS right?")
        return PixelSize(width, height)

    def xy(self, row: float, col: float) -> tuple[float, float]:
        """Give the map coordinates of a place in the raster.

        Args:
            row: Rows from the upper edge; whole numbers are the upper borders of pixels.
            col: Columns from the left edge; whole numbers are the left borders of pixels.

        Returns:
            x and y in the units of the CRS.
        """
        # Written out, because affine 2 and affine 3 spell this product differently.
        a, b, c, d, e, f = self.transform[:6]
        return a * col + b * row + c, d * col + e * row + f

    def cropped(self, window: Window) -> Grid:
        """Give the grid of a window; ground control points and polynomials do not carry over.

        Args:
            window: A window of the raster.

        Returns:
            The grid of its pixels, with the same CRS.
        """
        a, b, _, d, e, _ = self.transform[:6]
        left, top = self.xy(window.row_off, window.col_off)
        moved = Affine(a, b, left, d, e, top) if self.has_coordinates else Affine.identity()
        return Grid(height=window.height, width=window.width, transform=moved, crs=self.crs)


def iter_windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Cut a raster into squares, row by row and without overlap.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        size: Side of a square in pixels; those at the right and lower edges are smaller.

    Yields:
        The windows.
    """
    for row_off in range(0, height, size):
        for col_off in range(0, width, size):
            yield Window(
                col_off=col_off, row_off=row_off, width=min(size, width - col_off), height=min(size, height - row_off)
            )


def iter_row_windows(height: int, width: int, rows: int | None = None) -> Iterator[Window]:
    """Cut a raster into blocks of whole rows, from top to bottom.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        rows: Rows of a block; by default those of 8 million pixels, in multiples of the 512 that files are stored in.

    Yields:
        The windows, each as wide as the raster.
    """
    if rows is None:
        rows = max(1, _ROW_BLOCK_PIXELS // max(width, 1) // _FILE_BLOCK_ROWS) * _FILE_BLOCK_ROWS
    for row_off in range(0, height, rows):
        yield Window(col_off=0, row_off=row_off, width=width, height=min(rows, height - row_off))

"""The part of a scene that is predicted: all of it, a rectangle on the ground, or the polygons of a vector file."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely

from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window
from overland.geo.measures import map_to_pixels
from overland.inference.probabilities import Valid
from overland.raster.features import burn_shapes
from overland.vector import Layer, geometries_on_grid, read_layer

__all__ = ["Area", "Bounds", "Region", "ScenePart", "check_bounds", "read_area", "rows_left", "scene_part"]

logger = logging.getLogger(__name__)

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top, in a CRS."""

# A border that lies on the border of a pixel comes out of a transform a little off it.
_TOLERANCE = 1e-6
_SURFACE = 2


class Region(Protocol):
    """The part of a scene that is to be predicted."""

    @property
    def window(self) -> Window:
        """The rectangle that is written, in pixels of the scene; it lies within the scene."""

    def inside(self, window: Window) -> Valid | None:
        """Say which pixels are wanted.

        Args:
            window: A part of the rectangle, in pixels of the scene.

        Returns:
            True for the wanted ones (height, width); None where all are.
        """


@dataclass(frozen=True)
class ScenePart:
    """Rows and columns of a scene, and of them the pixels whose centres lie in a shape.

    Attributes:
        window: The rows and columns, in pixels of the scene.
        shape: A shapely geometry in pixels of the scene; None takes all pixels.
    """

    window: Window
    shape: Any = None

    def inside(self, window: Window) -> Valid | None:
        """Say which pixels are wanted.

        Args:
            window: A part of the scene, in its pixels.

        Returns:
            True for the wanted ones (height, width); None where all are.
        """
        if self.shape is None:
            return None
        return burn_shapes(np.array([self.shape]), np.array([1]), window).astype(bool)

    def until(self, row: int) -> ScenePart:
        """Take the part above one of its rows.

        Args:
            row: The row, counted from the part's first.

        Returns:
            The upper part.
        """
        return replace(self, window=replace(self.window, height=row))


def rows_left(window: Window, first_row: int) -> Window:
    """Take the rows of a window that are not finished.

    Args:
        window: The window.
        first_row: Number of its rows that are finished, from the top.

    Returns:
        The rest; of height 0 when all are finished.
    """
    done = min(first_row, window.height)
    return Window(
        col_off=window.col_off, row_off=window.row_off + done, width=window.width, height=window.height - done
    )


@dataclass(frozen=True)
class Area:
    """Polygons that are to be mapped.

    Attributes:
        path: The file that they come from.
        layer: The polygons and their CRS.
    """

    path: str
    layer: Layer

    @property
    def digest(self) -> str:
        """Checksum of the polygons and their CRS."""
        wkb = b"".join(shapely.to_wkb(self.layer.geometries).tolist())
        return hashlib.sha256(wkb + str(self.layer.crs).encode()).hexdigest()


def check_bounds(bounds: Sequence[float]) -> Bounds:
    """Make sure that bounds are left, bottom, right, top.

    Args:
        bounds: Four numbers in a CRS.

    Returns:
        The same.

    Raises:
        UsageError: They are not four finite numbers in that order.
    """
    if len(bounds) != 4 or not all(math.isfinite(value) for value in bounds):
        raise UsageError(f"Bounds are four numbers, left bottom right top; got {_listed(bounds)}.")
    left, bottom, right, top = bounds
    if not (left < right and bottom < top):
        raise UsageError(
            f"Bounds are left bottom right top, with left < right and bottom < top; got {_listed(bounds)}."
        )
    return left, bottom, right, top


def read_area(path: str | Path) -> Area:
    """Read the polygons of a vector file.

    Args:
        path: The file.

    Returns:
        The polygons with their CRS.

    Raises:
        DataError: The file cannot be read, or holds anything but polygons.
    """
    layer = read_layer(path, kinds=("Polygon",))
    if not len(layer) or not (shapely.get_dimensions(layer.geometries) == _SURFACE).all():
        kinds = ", ".join(sorted({geometry.geom_type for geometry in layer.geometries})) or "nothing"
        raise DataError(f"{path}: an area is made of polygons, the layer holds {kinds}. Give another file.")
    return Area(str(path), layer)


def scene_part(path: str, grid: Grid, limits: Bounds | Area | None) -> ScenePart | None:
    """Find the part of a scene within bounds or an area; it reaches to the borders of the pixels that are touched.

    Args:
        path: Name of the scene, for messages.
        grid: Where the scene lies.
        limits: Bounds in the scene's CRS, or polygons in any; None takes all of the scene.

    Returns:
        The part; None where the scene and the limits do not meet.

    Raises:
        DataError: The scene has no place on the ground, or the area cannot be brought to its CRS.
    """
    if limits is None:
        return ScenePart(grid.window)
    if grid.gcps and not grid.is_georeferenced:
        raise DataError(f"{path} has ground control points alone; warp it first (rio warp, gdalwarp), then cut it.")
    if isinstance(limits, Area):
        polygons = geometries_on_grid(limits.layer.geometries, limits.layer.crs, grid)
        shape = shapely.union_all(shapely.make_valid(polygons))
        shape = map_to_pixels(np.array([shape], dtype=object), grid)[0]
    else:
        box = shapely.box(*limits)
        shape = map_to_pixels(np.array([box], dtype=object), grid)[0]
        frame = shapely.box(0, 0, grid.width, grid.height)
        if grid.map_crs is None and not shape.intersects(frame) and frame.contains(box):
            logger.warning("%s: the bounds are not in its units; they are taken for columns and rows.", path)
            shape = box
    if shape.is_empty:
        return None
    left, top, right, bottom = shape.bounds
    row_off, col_off = math.floor(top + _TOLERANCE), math.floor(left + _TOLERANCE)
    height, width = math.ceil(bottom - _TOLERANCE) - row_off, math.ceil(right - _TOLERANCE) - col_off
    window = Window(col_off=col_off, row_off=row_off, width=width, height=height).intersection(grid.window)
    if not (window.height and window.width):
        return None
    return ScenePart(window, shape if isinstance(limits, Area) else None)


def _listed(bounds: Sequence[float]) -> str:
    return " ".join(f"{value:.12g}" for value in bounds)

"""The part of a scene that is predicted: all of it, a rectangle on the ground, or the polygons of a vector file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.geo.measures import map_to_pixels
from overland.geo.projection import reprojected
from overland.raster import Grid, Window
from overland.raster.features import burn_shapes
from overland.vector import Layer, read_layer

__all__ = [
    "Area",
    "Bounds",
    "Region",
    "ScenePart",
    "Target",
    "check_bounds",
    "read_area",
    "scene_part",
]


# Which part of a scene is predicted.


class Region(Protocol):
    """The part of a scene that is to be predicted."""

    @property
    def window(self) -> Window:
        """The rectangle that is written, in pixels of the scene; it lies within the scene."""

    def inside(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Which pixels of a window of the scene are wanted; None means all."""


@dataclass(frozen=True)
class Target:
    """What is to be written of a scene: the rows of a window from `first_row` of it on."""

    window: Window
    first_row: int = 0

    @property
    def left(self) -> Window:
        """The rows that are still to be done."""
        window, done = self.window, min(self.first_row, self.window.height)
        return Window(
            col_off=window.col_off, row_off=window.row_off + done, width=window.width, height=window.height - done
        )


Bounds = tuple[float, float, float, float]

# A border that lies on the border of a pixel comes out of a transform a little beside it.
_TOLERANCE = 1e-6
_SURFACE = 2


@dataclass(frozen=True)
class ScenePart:
    """Rows and columns of a scene, and of them the pixels whose centres lie in `shape` (in pixels of the scene)."""

    window: Window
    shape: Any = None

    def inside(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Which pixels of a window of the scene are wanted; None means all."""
        if self.shape is None:
            return None
        return burn_shapes(np.array([self.shape]), np.array([1]), window).astype(bool)

    def until(self, row: int) -> ScenePart:
        """The part above one of its rows."""
        return replace(self, window=replace(self.window, height=row))


@dataclass(frozen=True)
class Area:
    """Polygons that are to be mapped: the file they come from, and what is in it."""

    path: str
    layer: Layer

    @property
    def digest(self) -> str:
        """Checksum of the polygons and their CRS."""
        wkb = b"".join(shapely.to_wkb(self.layer.geometries).tolist())
        return hashlib.sha256(wkb + str(self.layer.crs).encode()).hexdigest()


def check_bounds(bounds: Sequence[float]) -> Bounds:
    """Make sure that bounds are left, bottom, right, top. Raises `UsageError` otherwise."""
    if len(bounds) != 4 or not all(math.isfinite(value) for value in bounds):
        raise UsageError(f"Bounds are four numbers, left bottom right top; got {_said(bounds)}.")
    left, bottom, right, top = bounds
    if not (left < right and bottom < top):
        raise UsageError(f"Bounds are left bottom right top, with left < right and bottom < top; got {_said(bounds)}.")
    return left, bottom, right, top


def read_area(path: str | Path) -> Area:
    """Read the polygons of a vector file. Raises `DataError` when it cannot be read or holds no polygons."""
    layer = read_layer(path)
    if not len(layer) or not (shapely.get_dimensions(layer.geometries) == _SURFACE).all():
        kinds = ", ".join(sorted({geometry.geom_type for geometry in layer.geometries})) or "nothing"
        raise DataError(f"{path}: an area is made of polygons, the layer holds {kinds}. Give another file.")
    return Area(str(path), layer)


def scene_part(path: str, grid: Grid, limits: Bounds | Area | None) -> ScenePart | None:
    """The part of a scene within bounds (in its CRS) or an area; all of it without them, None where they do not meet.

    It reaches to the borders of the pixels that are touched. Raises `DataError` for a scene that has no place on the
    ground, or whose CRS the area cannot be brought to.
    """
    if limits is None:
        return ScenePart(grid.window)
    if grid.gcps and not grid.is_georeferenced:
        raise DataError(f"{path} has ground control points alone; warp it first (rio warp, gdalwarp), then cut it.")
    shape = _united(limits, grid) if isinstance(limits, Area) else shapely.box(*limits)
    shape = map_to_pixels(np.array([shape], dtype=object), grid)[0]
    window = (
        Window(col_off=0, row_off=0, width=0, height=0)
        if shape.is_empty
        else _touched(shape.bounds).intersection(grid.window)
    )
    if not (window.height and window.width):
        return None
    return ScenePart(window, shape if isinstance(limits, Area) else None)


def _united(area: Area, grid: Grid) -> Any:
    crs = grid.crs if grid.is_georeferenced else None
    return shapely.union_all(shapely.make_valid(reprojected(area.layer.geometries, area.layer.crs, crs)))


def _touched(bounds: Bounds) -> Window:
    left, top, right, bottom = bounds
    row_off, col_off = math.floor(top + _TOLERANCE), math.floor(left + _TOLERANCE)
    return Window(
        col_off=col_off,
        row_off=row_off,
        width=math.ceil(right - _TOLERANCE) - col_off,
        height=math.ceil(bottom - _TOLERANCE) - row_off,
    )


def _said(bounds: Sequence[float]) -> str:
    return " ".join(f"{value:.12g}" for value in bounds)

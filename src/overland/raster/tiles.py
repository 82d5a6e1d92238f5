"""Rasters in Web Mercator, warped by GDAL: tiles z/x/y of a class map, and a whole picture for a web map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from overland.errors import DataError
from overland.geo.crs import horizontal_crs, transformer_between
from overland.geo.grid import Grid
from overland.raster.open import open_or_create

__all__ = [
    "MAX_ZOOM",
    "MercatorGrid",
    "lines_to_picture",
    "mercator_grid",
    "read_class_tile",
    "tile_bounds",
    "warped",
    "web_extent",
]

MAX_ZOOM = 24
"""The finest zoom that there is a tile of."""

_SIDE = 256
_RADIUS_M = 6_378_137.0
_HALF_WORLD_M = math.pi * _RADIUS_M
_WEB_MERCATOR, _LON_LAT = "EPSG:3857", "EPSG:4326"


def tile_bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Give the place of a tile.

    Args:
        z: Zoom, 0 to 24.
        x: Column of the tile, from the antimeridian eastwards.
        y: Row of the tile, from the north downwards.

    Returns:
        Left, bottom, right, top in EPSG:3857.

    Raises:
        DataError: Where there is no such tile.
    """
    if not (0 <= z <= MAX_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        raise DataError(f"There is no tile {z}/{x}/{y}: z is 0 to {MAX_ZOOM}, x and y are less than 2 to the z.")
    side = 2 * _HALF_WORLD_M / 2**z
    left, top = x * side - _HALF_WORLD_M, _HALF_WORLD_M - y * side
    return left, top - side, left + side, top


def read_class_tile(path: str | Path, z: int, x: int, y: int, *, nodata: int = 255) -> npt.NDArray[np.uint8]:
    """Read a tile of a class map, reprojected. Far out, a pixel shows the class at its middle.

    Args:
        path: The class map.
        z: Zoom.
        x: Column of the tile.
        y: Row of the tile.
        nodata: Value where the map holds no class.

    Returns:
        Class ids, uint8 (256, 256).

    Raises:
        DataError: For a tile that does not exist, and for a map without a CRS.
    """
    left, _, right, top = tile_bounds(z, x, y)
    size = (right - left) / _SIDE
    place = {"transform": Affine(size, 0, left, 0, -size, top), "width": _SIDE, "height": _SIDE}
    with _open_georeferenced(path) as dataset, _warp(dataset, nodata=nodata, **place) as warp:
        ids: npt.NDArray[np.uint8] = warp.read(1)
    return ids


def web_extent(path: str | Path) -> tuple[tuple[float, float, float, float], int, int]:
    """Tell where a map lies on the web's grid, and at which zooms.

    Args:
        path: The class map.

    Returns:
        West, south, east, north in degrees; then the zooms between which its tiles tell something: at the larger one
        a tile's pixels are as small as the map's.

    Raises:
        DataError: For a map without a CRS.
    """
    with _open_georeferenced(path) as dataset:
        bounds = transform_bounds(dataset.crs, _LON_LAT, *dataset.bounds)
        left, _, right, _ = transform_bounds(dataset.crs, _WEB_MERCATOR, *dataset.bounds)
        pixel_m = (right - left) / dataset.width
        finest = math.ceil(math.log2(2 * _HALF_WORLD_M / (_SIDE * pixel_m)))
        widest = math.floor(math.log2(2 * _HALF_WORLD_M / (right - left)))
    finest = min(max(finest, 0), MAX_ZOOM)
    return tuple(bounds), min(max(widest, 0), finest), finest


@dataclass(frozen=True)
class MercatorGrid:
    """The place of a picture on a web map: that of the raster it shows, warped to Web Mercator."""

    left: float
    """Western edge in metres of EPSG:3857."""
    top: float
    """Northern edge in metres of EPSG:3857."""
    resolution: float
    """Side of a pixel in metres of EPSG:3857, which are metres of the ground at the equator alone."""
    height: int
    """Rows of the picture."""
    width: int
    """Columns of the picture."""
    source: Grid
    """The grid of the picture before it is warped."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.height, self.width

    @property
    def metres_per_pixel(self) -> float:
        """Size of a pixel on the ground at the picture's centre."""
        north = self.top - self.resolution * self.height / 2
        return self.resolution / math.cosh(north / _RADIUS_M)


def mercator_grid(grid: Grid, step: int) -> MercatorGrid:
    """Plan the Web Mercator picture of a raster that was reduced, of about as many pixels.

    Args:
        grid: The raster's grid, which has a CRS.
        step: Pixels of the raster along each axis that became one of the reduced picture.

    Returns:
        The place of the warped picture.

    Raises:
        DataError: For a place that Web Mercator does not have, such as a pole, and for a local CRS.
    """
    a, b, c, d, e, f = grid.transform[:6]
    source = Grid(
        height=-(-grid.height // step),
        width=-(-grid.width // step),
        transform=Affine(a * step, b * step, c, d * step, e * step, f),
        crs=grid.crs,
    )
    to_web = transformer_between(str(grid.crs), _WEB_MERCATOR)
    part = np.linspace(0, 1, 33)
    zero, one = np.zeros_like(part), np.ones_like(part)
    rows, cols = np.concatenate([zero, one, part, part]), np.concatenate([part, part, zero, one])
    outline = grid.xy(rows * grid.height, cols * grid.width)  # type: ignore[arg-type] # arrays add up alike
    xs, ys = to_web.transform(*outline)
    # The web's grid is a square; a little beyond its edge is shown, a pole is not.
    if not (np.isfinite(xs).all() and np.abs(ys).max() < 2 * _HALF_WORLD_M):
        raise DataError("The scene has no place on a web map: its coordinates do not fit its CRS, or it is a pole.")
    empty = np.zeros((source.height, source.width, 3), np.uint8)
    try:
        with _in_memory(empty, source) as dataset, _warp(dataset) as warp:
            size, left, top = warp.transform.a, warp.transform.c, warp.transform.f
            return MercatorGrid(left, top, size, warp.height, warp.width, source)
    except RasterioError as error:
        raise DataError(f"The scene has no place on a web map ({error}).") from error


def warped(picture: npt.NDArray[np.uint8], mercator: MercatorGrid) -> npt.NDArray[np.uint8]:
    """Warp a picture to its place on a web map; each pixel takes the nearest one's value.

    Args:
        picture: RGB or RGBA, uint8 (height, width, 3 or 4) of the reduced raster.
        mercator: Its place, as `mercator_grid` planned it.

    Returns:
        RGBA, uint8 (height, width, 4) of the place, with nothing outside of the raster.
    """
    if picture.shape[2] == 3:
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    transform = Affine(mercator.resolution, 0, mercator.left, 0, -mercator.resolution, mercator.top)
    place = {"transform": transform, "width": mercator.width, "height": mercator.height}
    with _in_memory(picture, mercator.source) as dataset, _warp(dataset, **place) as warp:
        return np.ascontiguousarray(warp.read().transpose(1, 2, 0))


def lines_to_picture(
    lines: list[npt.NDArray[np.float64]], crs: str | None, mercator: MercatorGrid
) -> list[npt.NDArray[np.float64]]:
    """Bring lines to the pixels of a picture on a web map.

    Args:
        lines: Each an array (points, 2) of map coordinates.
        crs: Their CRS.
        mercator: The picture's place.

    Returns:
        The lines in pixels of the picture, across and down.
    """
    to_web = transformer_between(str(crs), _WEB_MERCATOR)
    moved = [np.column_stack(to_web.transform(*line.T)) for line in lines]
    origin = np.array([mercator.left, mercator.top])
    return [(line - origin) * [1, -1] / mercator.resolution for line in moved]


def _warp(dataset: Any, **place: Any) -> Any:
    return WarpedVRT(dataset, crs=_WEB_MERCATOR, resampling=Resampling.nearest, **place)


@contextmanager
def _in_memory(picture: npt.NDArray[np.uint8], grid: Grid) -> Iterator[Any]:
    """Give a picture (height, width, 3 or 4) as a dataset that lies where its grid says; the fourth band is alpha."""
    height, width, count = picture.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": "uint8"}
    crs = horizontal_crs(str(grid.crs)).to_wkt()
    with MemoryFile() as file:
        with file.open(**profile, crs=crs, transform=grid.transform, photometric="RGB") as dataset:
            if count == 4:
                dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            dataset.write(picture.transpose(2, 0, 1))
        with file.open() as dataset:
            yield dataset


def _open_georeferenced(path: str | Path) -> Any:
    dataset = open_or_create(path)
    if dataset.crs is None:
        dataset.close()
        raise DataError("The map has no CRS, so it lies nowhere on the web's grid. Fetch mask.png instead.")
    return dataset

"""Tiles of a class map on the web's square grid: z/x/y, Web Mercator, 256 pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from overland.errors import DataError
from overland.raster.open import open_or_create

__all__ = ["MAX_ZOOM", "read_class_tile", "tile_bounds", "web_extent"]

MAX_ZOOM = 24
_SIDE = 256
_HALF_WORLD_M = math.pi * 6_378_137.0
_WEB_MERCATOR, _LON_LAT = "EPSG:3857", "EPSG:4326"


def tile_bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a tile in EPSG:3857. Raises `DataError` where there is no such tile."""
    if not (0 <= z <= MAX_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        raise DataError(f"There is no tile {z}/{x}/{y}: z is 0 to {MAX_ZOOM}, x and y are less than 2 to the z.")
    side = 2 * _HALF_WORLD_M / 2**z
    left, top = x * side - _HALF_WORLD_M, _HALF_WORLD_M - y * side
    return left, top - side, left + side, top


def read_class_tile(path: str | Path, z: int, x: int, y: int, *, nodata: int = 255) -> npt.NDArray[np.uint8]:
    """Read a tile of a class map, reprojected: ids (256, 256), `nodata` where the map holds none.

    Far out, a pixel shows the class at its middle. Raises `DataError` for a tile that does not exist and a map that has
    no CRS.
    """
    left, _, right, top = tile_bounds(z, x, y)
    size = (right - left) / _SIDE
    with _open_georeferenced(path) as dataset:
        options: dict[str, Any] = {
            "crs": _WEB_MERCATOR,
            "transform": Affine(size, 0, left, 0, -size, top),
            "width": _SIDE,
            "height": _SIDE,
            "resampling": Resampling.nearest,
            "nodata": nodata,
        }
        with WarpedVRT(dataset, **options) as warped:
            ids: npt.NDArray[np.uint8] = warped.read(1)
    return ids


def web_extent(path: str | Path) -> tuple[tuple[float, float, float, float], int, int]:
    """West, south, east, north of a map, and the zooms between which its tiles tell something.

    The larger zoom is where a tile's pixels are as small as the map's. Raises `DataError` for a map without a CRS.
    """
    with _open_georeferenced(path) as dataset:
        bounds = transform_bounds(dataset.crs, _LON_LAT, *dataset.bounds)
        left, _, right, _ = transform_bounds(dataset.crs, _WEB_MERCATOR, *dataset.bounds)
        pixel_m = (right - left) / dataset.width
        finest = math.ceil(math.log2(2 * _HALF_WORLD_M / (_SIDE * pixel_m)))
        widest = math.floor(math.log2(2 * _HALF_WORLD_M / (right - left)))
    finest = min(max(finest, 0), MAX_ZOOM)
    return tuple(bounds), min(max(widest, 0), finest), finest


def _open_georeferenced(path: str | Path) -> Any:
    dataset = open_or_create(path)
    if dataset.crs is None:
        dataset.close()
        raise DataError("The map has no CRS, so it lies nowhere on the web's grid. Fetch mask.png instead.")
    return dataset

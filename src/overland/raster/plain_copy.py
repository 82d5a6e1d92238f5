"""Uploaded images: their claims about themselves, before a pixel is read, and a plain copy that is safe to open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError

from overland.errors import DataError
from overland.geo.grid import Window
from overland.raster.open import open_or_create, rasterio_window
from overland.raster.read import Scene

__all__ = ["ImageFacts", "read_facts", "write_plain_copy"]

_BLOCK = 512


@dataclass(frozen=True)
class ImageFacts:
    """The header of an image: nothing in it has been decoded."""

    height: int
    """Rows."""
    width: int
    """Columns."""
    count: int
    """Bands."""
    dtype: str
    """Name of the pixel type of the first band."""
    block_bytes: int
    """Bytes that its largest block has when it is decoded."""
    pages: int
    """Images in the file."""


def read_facts(path: str | Path, driver: str) -> ImageFacts:
    """Read the header of a file that may have one format only.

    Args:
        path: The file.
        driver: GDAL's name of the format.

    Returns:
        The header.

    Raises:
        DataError: When it is no file of that format.
    """
    try:
        with open_or_create(path, driver=driver) as dataset:
            # GDAL's whole-number complex type has no counterpart in numpy.
            types = [{"complex_int16": "complex64"}.get(dtype, dtype) for dtype in dataset.dtypes]
            return ImageFacts(
                height=dataset.height,
                width=dataset.width,
                count=dataset.count,
                dtype=str(dataset.dtypes[0]) if dataset.count else "",
                block_bytes=max((math.prod(shape) for shape in dataset.block_shapes), default=0)
                * sum(np.dtype(dtype).itemsize for dtype in types),
                pages=max(1, len(dataset.subdatasets)),
            )
    except RasterioIOError as error:
        raise DataError(f"{path} cannot be opened as {driver} ({error}). Is it complete?") from error


def write_plain_copy(scene: Scene, path: str | Path, bands: Sequence[int]) -> None:
    """Copy bands of a scene to a tiled GeoTIFF whose internal mask says where they hold data.

    Georeference and ground control points are kept, every other thing that the file said is left behind.

    Args:
        scene: The open scene.
        path: The file to write.
        bands: Bands, counted from 1.

    Raises:
        DataError: When a pixel cannot be read.
    """
    grid = scene.grid
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(bands),
        "dtype": scene.dtype,
        "crs": None if grid.crs is None else CRS.from_user_input(grid.crs),
        "transform": grid.transform,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
        # GDAL would take the fourth of four bands for alpha.
        "photometric": "RGB" if len(bands) == 3 and scene.dtype in ("uint8", "uint16") else "MINISBLACK",
    }
    if grid.transform.is_identity:
        del profile["transform"]
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), open_or_create(path, "w", **profile) as copy:
        if grid.gcps and grid.gcps_crs:
            copy.gcps = (list(grid.gcps), CRS.from_user_input(grid.gcps_crs))
        for row in range(0, grid.height, _rows_at_once(scene)):
            height = min(_rows_at_once(scene), grid.height - row)
            pixels, valid = scene.read(Window(col_off=0, row_off=row, width=grid.width, height=height), bands)
            where = rasterio_window(Window(col_off=0, row_off=row, width=grid.width, height=height))
            copy.write(pixels, window=where)
            copy.write_mask(valid, window=where)


def _rows_at_once(scene: Scene) -> int:
    # Whole blocks of both files, so that none is decoded twice.
    rows, _ = scene.block_shape
    return _BLOCK * max(1, min(rows, 4096) // _BLOCK)

"""Masks as regions: small ones sieved away, the rest traced as polygons along pixel edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
import shapely
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from overland.geo.grid import Window

__all__ = [
    "Valid",
    "burn_shapes",
    "shapes_from_mask",
    "sieve_mask",
    "stored_mask",
]


# Where a mask holds data: an array of its shape, or the band that `stored_mask` gives; rasterio has no types.
Valid = npt.NDArray[np.bool_] | Any

Connectivity = Literal[4, 8]

_SIEVE_PASSES = 4
_ROWS_COMPARED = 1024
_VALID_PROFILE: dict[str, Any] = {
    "driver": "GTiff",
    "count": 1,
    "dtype": "uint8",
    "compress": "deflate",
    "bigtiff": "IF_SAFER",
    # Nobody reads it; without one rasterio warns.
    "transform": Affine.scale(2),
}


@contextmanager
def stored_mask(
    folder: Path, height: int, width: int, parts: Iterable[tuple[Window, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]]
) -> Iterator[tuple[npt.NDArray[np.uint8], Valid]]:
    """Keep a mask that is too large for memory in files of a folder, and give it as `sieve_mask` and others take it.

    `parts` are windows with their ids and where they hold data, both (height, width) of the window.
    """
    ids = np.memmap(folder / "ids.bin", dtype=np.uint8, mode="w+", shape=(height, width))
    with rasterio.open(folder / "valid.tif", "w", height=height, width=width, **_VALID_PROFILE) as dataset:
        for window, values, valid in parts:
            ids[window.slices] = values
            where = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
            dataset.write(valid.astype(np.uint8), 1, window=where)
    with rasterio.open(folder / "valid.tif") as dataset:
        yield ids, rasterio.band(dataset, 1)


def sieve_mask(
    mask: npt.NDArray[Any], min_pixels: int, *, valid: Valid | None = None, connectivity: Connectivity = 4
) -> npt.NDArray[Any]:
    """Give every region of less than `min_pixels` the id of its largest neighbour.

    `mask` (height, width) of whole numbers. Pixels where `valid` is False keep their value and swallow nothing; a
    small region that has no other neighbour stays, and among small ones alone the choice is GDAL's. A mask that is
    stored in a file is sieved into files beside it, line by line.
    Source: GDALSieveFilter, repeated while a region is left that it can merge (one pass merges small into small).
    """
    # rasterio refuses a size that no region can have.
    min_pixels = min(min_pixels, mask.size - 1)
    for number in range(_SIEVE_PASSES if min_pixels > 1 else 0):
        sieved = _empty_like(mask, number)
        rasterio.features.sieve(mask, min_pixels, out=sieved, mask=valid, connectivity=connectivity)
        if _are_equal(sieved, mask):
            break
        mask = sieved
    return mask


def shapes_from_mask(
    mask: npt.NDArray[Any], *, valid: Valid | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Trace every 4-connected region as a polygon in pixel coordinates (x = column, y = row, corners of pixels).

    Returns the polygons and their ids, two arrays of the same length. Pixels where `valid` is False belong to none.
    """
    polygons, ids = [], []
    for geometry, value in rasterio.features.shapes(mask, mask=valid, connectivity=4):
        shell, *holes = (shapely.linearrings(ring) for ring in geometry["coordinates"])
        polygons.append(shapely.polygons(shell, holes=holes or None))
        ids.append(int(value))
    return np.array(polygons, dtype=object), np.array(ids, dtype=np.int64)


def _empty_like(mask: npt.NDArray[Any], number: int) -> npt.NDArray[Any]:
    if isinstance(mask, np.memmap) and mask.filename is not None:
        # Two files take turns: a pass reads one and writes the other, and the mask itself stays.
        path = Path(mask.filename).with_name(f"sieved-{number % 2}.bin")
        return np.memmap(path, dtype=mask.dtype, mode="w+", shape=mask.shape)
    return np.empty_like(mask)


def _are_equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    starts = range(0, len(one), _ROWS_COMPARED)
    return all(np.array_equal(one[row : row + _ROWS_COMPARED], other[row : row + _ROWS_COMPARED]) for row in starts)


# Polygons to pixels: the inverse of tracing.


def burn_shapes(
    geometries: npt.NDArray[Any],
    ids: npt.NDArray[Any],
    window: Window,
    *,
    all_touched: bool = False,
    dtype: Literal["uint8", "int32"] = "uint8",
) -> npt.NDArray[Any]:
    """Give the pixels whose centre lies in a geometry its id, the others 0; of geometries that overlap the last wins.

    `geometries` lie in pixels of the raster (x = column, y = row), `ids` are 0 to 255, or any of the `dtype` given.
    `all_touched` takes every pixel that is touched. Returns an array (height, width) of the window.
    Source: GDALRasterizeGeometries.
    """
    shape = (window.height, window.width)
    if not len(geometries):
        return np.zeros(shape, dtype)
    burned: npt.NDArray[Any] = rasterio.features.rasterize(
        zip(geometries, ids.tolist(), strict=True),
        out_shape=shape,
        transform=Affine.translation(window.col_off, window.row_off),
        all_touched=all_touched,
        dtype=dtype,
    )
    return burned

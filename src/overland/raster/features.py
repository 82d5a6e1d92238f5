"""Between masks and polygons, by GDAL: regions sieved and traced along pixel edges, shapes burned as pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
import shapely
from affine import Affine
from rasterio.errors import RasterioError

from overland.errors import ResourceError
from overland.geo.grid import Window
from overland.output import reserve_room
from overland.raster.open import open_or_create, rasterio_window

__all__ = [
    "Connectivity",
    "MaskData",
    "Polygons",
    "burn_shapes",
    "shapes_from_mask",
    "sieve_mask",
    "stored_mask",
]

MaskData = npt.NDArray[np.bool_] | Any
"""Pixels of a mask that hold data: an array of its shape, or the band of `stored_mask`; rasterio has no types."""
Polygons = npt.NDArray[Any]
"""Shapely geometries, an array (n,) of objects."""
Connectivity = Literal[4, 8]
"""Pixels of a region touch with their 4 sides alone, or in 8 directions, with their corners as well."""

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
) -> Iterator[tuple[npt.NDArray[np.uint8], MaskData]]:
    """Keep a mask that is too large for memory in files of a folder, and give it as `sieve_mask` and others take it.

    Args:
        folder: A folder for the files.
        height: Rows of the mask.
        width: Columns of the mask.
        parts: Windows with their ids and where they hold data, both (height, width) of the window.

    Yields:
        The ids (height, width), and where they hold data.

    Raises:
        ResourceError: When the disk has no room for them.
    """
    ids = _mapped(folder / "ids.bin", (height, width), np.dtype(np.uint8))
    written = 0
    with rasterio.open(folder / "valid.tif", "w", height=height, width=width, **_VALID_PROFILE) as dataset:
        for window, values, valid in parts:
            ids[window.slices] = values
            dataset.write(valid.astype(np.uint8), 1, window=rasterio_window(window))
            written += int(np.count_nonzero(valid))
    # GDAL writes compressed blocks when it closes a file, and a full disk is no error to it then.
    counted: int | None = None
    with suppress(RasterioError), open_or_create(folder / "valid.tif") as stored:
        counted = sum(int(np.count_nonzero(stored.read(1, window=part))) for _, part in stored.block_windows(1))
    if counted != written:
        raise ResourceError(f"{folder.parent}: the disk is full. Free some space, or write to another disk.")
    with rasterio.open(folder / "valid.tif") as dataset:
        yield ids, rasterio.band(dataset, 1)


def sieve_mask(
    mask: npt.NDArray[Any], min_pixels: int, *, valid: MaskData | None = None, connectivity: Connectivity = 4
) -> npt.NDArray[Any]:
    """Give every small region the id of its largest neighbour.

    A small region that has no other neighbour stays, and among small ones alone the choice is GDAL's.
    Source: GDALSieveFilter, repeated while a region is left that it can merge (one pass merges small into small).

    Args:
        mask: Whole numbers (height, width); one that is stored in a file is sieved into files next to it.
        min_pixels: Regions of fewer pixels go.
        valid: Pixels that hold data; other pixels keep their value and swallow nothing.
        connectivity: The pixels that make a region.

    Returns:
        The sieved mask.
    """
    # rasterio refuses a size that no region can have.
    min_pixels = min(min_pixels, mask.size - 1)
    for number in range(_SIEVE_PASSES if min_pixels > 1 else 0):
        if isinstance(mask, np.memmap) and mask.filename is not None:
            # Two files take turns: a pass reads one and writes the other, and the mask itself stays.
            path = Path(mask.filename).with_name(f"sieved-{number % 2}.bin")
            sieved = _mapped(path, mask.shape, mask.dtype)
        else:
            sieved = np.empty_like(mask)
        rasterio.features.sieve(mask, min_pixels, out=sieved, mask=valid, connectivity=connectivity)
        starts = range(0, len(mask), _ROWS_COMPARED)
        if all(np.array_equal(sieved[row : row + _ROWS_COMPARED], mask[row : row + _ROWS_COMPARED]) for row in starts):
            break
        mask = sieved
    return mask


def shapes_from_mask(
    mask: npt.NDArray[Any], *, valid: MaskData | None = None
) -> tuple[Polygons, npt.NDArray[np.int64]]:
    """Trace every 4-connected region as a polygon.

    Args:
        mask: Whole numbers (height, width).
        valid: Pixels that hold data; other pixels belong to no region.

    Returns:
        The polygons (n,) in pixel coordinates (x = column, y = row, corners of pixels), and their ids (n,).
    """
    polygons, ids = [], []
    for geometry, value in rasterio.features.shapes(mask, mask=valid, connectivity=4):
        shell, *holes = (shapely.linearrings(ring) for ring in geometry["coordinates"])
        polygons.append(shapely.polygons(shell, holes=holes or None))
        ids.append(int(value))
    return np.array(polygons, dtype=object), np.array(ids, dtype=np.int64)


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    reserve_room(path, int(np.prod(shape)) * dtype.itemsize)
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)


def burn_shapes(
    geometries: Polygons,
    ids: npt.NDArray[np.integer],
    window: Window,
    *,
    all_touched: bool = False,
    dtype: Literal["uint8", "int32"] = "uint8",
) -> npt.NDArray[Any]:
    """Give the pixels whose centre lies in a geometry its id; of geometries that overlap the last wins.

    Source: GDALRasterizeGeometries.

    Args:
        geometries: Geometries (n,) in pixels of the raster (x = column, y = row).
        ids: The id of each, within the type of the result.
        window: The pixels of the raster to burn.
        all_touched: Take every pixel that is touched, and not only those whose centre is inside.
        dtype: Type of the result.

    Returns:
        Ids (height, width) of the window, 0 outside of all geometries.
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

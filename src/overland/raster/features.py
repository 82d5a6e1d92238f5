"""Masks as regions: small ones sieved away, the rest traced as polygons along pixel edges."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely

__all__ = ["shapes_from_mask", "sieve_mask"]

Valid = npt.NDArray[np.bool_]
Connectivity = Literal[4, 8]

_SIEVE_PASSES = 4


def sieve_mask(
    mask: npt.NDArray[Any], min_pixels: int, *, valid: Valid | None = None, connectivity: Connectivity = 4
) -> npt.NDArray[Any]:
    """Give every region of less than `min_pixels` the id of its largest neighbour.

    `mask` (height, width) of whole numbers. Pixels where `valid` is False keep their value and swallow nothing; a
    small region that has no other neighbour stays, and among small ones alone the choice is GDAL's.
    Source: GDALSieveFilter, repeated while a region is left that it can merge (one pass merges small into small).
    """
    # rasterio refuses a size that no region can have.
    min_pixels = min(min_pixels, mask.size - 1)
    for _ in range(_SIEVE_PASSES if min_pixels > 1 else 0):
        sieved = rasterio.features.sieve(mask, min_pixels, mask=valid, connectivity=connectivity)
        if np.array_equal(sieved, mask):
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

"""A mask to polygons whose borders are shared: no overlap, no gap, holes kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.raster.features import Valid, shapes_from_mask, sieve_mask

__all__ = ["polygons_from_mask", "simplified_coverage"]


def polygons_from_mask(
    mask: npt.NDArray[Any], *, valid: Valid | None = None, min_pixels: int, tolerance: float
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Trace the regions of a mask as a coverage: polygons that share their borders exactly.

    `mask` (height, width) of whole numbers; pixels where `valid` is False belong to no polygon. Regions of less than
    `min_pixels` are first given to their largest neighbour. `tolerance` in pixels: detail of an area below its square
    is removed (0 keeps the pixel edges). Returns polygons in pixel coordinates (x = column, y = row) and their ids.
    Needs about 3 bytes a pixel beside the mask, and some 100 for each pixel edge on a border.
    Source: Visvalingam & Whyatt 1993, on coverages as in GEOS 3.12.
    """
    sieved = sieve_mask(mask, min_pixels, valid=valid)
    polygons, ids = shapes_from_mask(sieved, valid=valid)
    return simplified_coverage(polygons, tolerance), ids


def simplified_coverage(polygons: npt.NDArray[Any], tolerance: float) -> npt.NDArray[Any]:
    """Simplify polygons that were traced along pixel edges, neighbours alike, in the same order.

    `polygons` and `tolerance` are in pixels, as those of `polygons_from_mask`; 0 leaves them as they are.
    """
    if tolerance <= 0 or not len(polygons):
        return polygons
    # Neighbours must share every vertex, but GDAL drops the collinear ones: a vertex at each pixel corner mends that.
    on_pixel_grid = shapely.segmentize(polygons, 1.0)
    return np.asarray(shapely.coverage_simplify(on_pixel_grid, tolerance), dtype=object)

"""The centre lines of a road mask, and how wide the road is around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.morphology import skeletonize

from overland.raster.features import sieve_mask

__all__ = ["Centerlines", "centerlines_from_mask"]

Bools = npt.NDArray[np.bool_]

# The replicated margin lets a road run on beyond the scene, so that its skeleton does not fork at the border.
# Roads up to twice as wide are safe.
_MARGIN = 32


@dataclass(frozen=True)
class Centerlines:
    """Skeleton pixels of a mask: rows, columns, and the half width of the road there in metres.

    `mask` is the cleaned road mask (height, width); the pixels come in the order of its rows.
    """

    mask: Bools
    rows: npt.NDArray[np.int64]
    cols: npt.NDArray[np.int64]
    half_widths_m: npt.NDArray[np.float64]


def centerlines_from_mask(mask: Bools, *, pixel_size_m: tuple[float, float], min_pixels: int) -> Centerlines:
    """Thin a road mask (height, width) to its centre lines, after objects and holes under `min_pixels` are gone.

    `pixel_size_m` is the width and the height of a pixel. Half widths are distances to the nearest pixel off the road,
    less an eighth of a pixel: half a pixel too long in the middle of an upright road, a quarter too short beside the
    middle of an oblique one.
    Source: Zhang & Suen 1984 as in skimage.morphology.skeletonize.
    """
    mask = sieve_mask(mask.astype(np.uint8), min_pixels, connectivity=8).astype(bool)
    padded = np.pad(mask, _MARGIN, mode="edge")
    rows, cols = np.nonzero(skeletonize(padded)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])
    distances = _distances_to_rim(padded, rows + _MARGIN, cols + _MARGIN, pixel_size_m)
    return Centerlines(mask, rows, cols, distances - 0.125 * float(np.sqrt(np.prod(pixel_size_m))))


def _distances_to_rim(
    road: Bools, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], pixel_size_m: tuple[float, float]
) -> npt.NDArray[np.float64]:
    # Only skeleton pixels need a distance, and only the pixels just off the road can be nearest: a small tree instead
    # of a distance transform of the whole scene.
    rim = np.argwhere(ndimage.binary_dilation(road, np.ones((3, 3), dtype=bool)) & ~road)
    if not len(rim):
        return np.full(len(rows), max(road.shape) * max(pixel_size_m), dtype=float)
    size = np.array(pixel_size_m[::-1])
    distances, _ = KDTree(rim * size).query(np.column_stack([rows, cols]) * size)
    return np.asarray(distances, dtype=float)

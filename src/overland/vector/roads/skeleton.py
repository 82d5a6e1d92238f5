"""The centre lines of a road mask, and how wide the road is around them, found band by band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from overland.raster import Window
from overland.vector.graph.components import drop_objects, fill_holes
from overland.vector.graph.pixels import BitMask, ReadScores, RoadPixels
from overland.vector.graph.thin import thin_bands

__all__ = ["Centerlines", "centerlines_from_mask", "clean_road_mask"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# The replicated margin lets a road run on beyond the scene, so that its skeleton does not fork at the border.
# Roads up to twice as wide are safe.
_MARGIN = 32
_RIM_HALO = 64
_SCORE_BINS = 1000
_LOW_SHARE = 0.6


@dataclass(frozen=True)
class Centerlines:
    """Skeleton pixels of a mask: rows, columns, and the half width of the road there in metres.

    `mask` is the cleaned road mask (height, width); the pixels come in the order of its rows.
    """

    mask: BitMask
    rows: Ints
    cols: Ints
    half_widths_m: Floats


def clean_road_mask(pixels: RoadPixels, bands: Sequence[Window], *, min_pixels: int, low: float | None) -> BitMask:
    """The road mask without objects and holes under `min_pixels`, followed on over scores of `low` and more.

    Pixels of the mask are sure; beside them, and only where pixel after pixel leads there, a score of `low` is enough
    (hysteresis, the mask being the upper threshold). None is 0.6 of the
    score that all but 1 % of the mask's pixels have, as 0.3 is of 0.5.
    """
    if low is None and pixels.read_scores is not None:
        low = _LOW_SHARE * _least_score(pixels.read_mask, pixels.read_scores, bands)
    mask = BitMask(pixels.height, pixels.width)
    seeds = None if pixels.read_scores is None else BitMask(pixels.height, pixels.width)
    for band in bands:
        road = pixels.read_mask(band)
        if seeds is not None and pixels.read_scores is not None and low is not None:
            seeds.set_rows(band.row_off, road)
            # NaN, where nothing was measured, is not more than anything.
            road = road | (pixels.read_scores(band) >= low)
        mask.set_rows(band.row_off, road)
    drop_objects(mask, bands, min_pixels, seeds)
    fill_holes(mask, bands, min_pixels)
    return mask


def centerlines_from_mask(mask: BitMask, bands: Sequence[Window], *, pixel_size_m: tuple[float, float]) -> Centerlines:
    """Thin a road mask to its centre lines.

    `pixel_size_m` is the width and the height of a pixel. Half widths are distances to the nearest pixel off the road,
    less an eighth of a pixel: half a pixel too long in the middle of an upright road, a quarter too short beside the
    middle of an oblique one.
    """
    padded, padded_bands = _with_margin(mask, bands)
    skeleton = thin_bands(padded, padded_bands)
    found: list[tuple[Ints, Ints, Floats]] = []
    for band in bands:
        lines = skeleton.rows(band.row_off + _MARGIN, band.row_end + _MARGIN)[:, _MARGIN:-_MARGIN]
        rows, cols = np.nonzero(lines)
        rows += band.row_off
        found.append((rows, cols, _distances_to_rim(padded, rows + _MARGIN, cols + _MARGIN, pixel_size_m)))
    rows, cols, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Centerlines(mask, rows, cols, distances - 0.125 * float(np.sqrt(np.prod(pixel_size_m))))


def _least_score(read_mask: Callable[[Window], Bools], read_scores: ReadScores, bands: Sequence[Window]) -> float:
    """The score that nearly all road pixels have: the threshold of the mask, whoever has cleaned it since."""
    counts = np.zeros(_SCORE_BINS + 1, dtype=np.int64)
    for band in bands:
        scores = read_scores(band)[read_mask(band)]
        bins = (scores[np.isfinite(scores)].clip(0, 1) * _SCORE_BINS).astype(np.int64)
        counts += np.bincount(bins, minlength=len(counts))
    return float(np.searchsorted(counts.cumsum(), 0.01 * counts.sum())) / _SCORE_BINS


def _with_margin(mask: BitMask, bands: Sequence[Window]) -> tuple[BitMask, list[Window]]:
    height, width = mask.shape
    padded = BitMask(height + 2 * _MARGIN, width + 2 * _MARGIN)
    padded_bands = []
    for band in bands:
        start = band.row_off - (_MARGIN if band.row_off == 0 else 0)
        end = band.row_end + (_MARGIN if band.row_end == height else 0)
        rows = np.pad(mask.rows(start, end), ((0, 0), (_MARGIN, _MARGIN)), mode="edge")
        padded.set_rows(start + _MARGIN, rows)
        padded_bands.append(Window(start + _MARGIN, 0, end - start, width + 2 * _MARGIN))
    return padded, padded_bands


def _distances_to_rim(road: BitMask, rows: Ints, cols: Ints, pixel_size_m: tuple[float, float]) -> Floats:
    """How far each pixel is from the nearest one off the road, in metres."""
    height, size = road.shape[0], np.array(pixel_size_m[::-1])
    distances = np.full(len(rows), max(road.shape) * max(pixel_size_m), dtype=float)
    unknown, halo = np.arange(len(rows)), _RIM_HALO
    while len(unknown):
        start, end = max(0, rows[unknown[0]] - halo), min(height, rows[unknown[-1]] + halo + 1)
        # Only the pixels just off the road can be nearest: a small tree instead of a distance transform of the band.
        rim = _rim(road.rows(start, end))
        if len(rim):
            tree = KDTree((rim + np.array([start, 0])) * size)
            distances[unknown], _ = tree.query(np.column_stack([rows[unknown], cols[unknown]]) * size)
        if start == 0 and end == height:
            break
        # Beyond the halo there might be a nearer one.
        unknown, halo = unknown[distances[unknown] > halo * size[0]], 2 * halo
    return distances


def _rim(road: Bools) -> Ints:
    return np.argwhere(ndimage.binary_dilation(road, np.ones((3, 3), dtype=bool)) & ~road)

"""The centre lines of a road mask, and how wide the road is around them, found band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree

from overland.raster import Window

__all__ = [
    "BitMask",
    "Centerlines",
    "ReadProbabilities",
    "RoadPixels",
    "bitmask_from_array",
    "centerlines_from_mask",
    "clean_road_mask",
    "drop_objects",
    "fill_holes",
    "plan_row_blocks",
    "road_pixels_from_arrays",
    "thin_row_blocks",
    "thin_window",
]


# Pixels of a scene of any size: read window by window, kept at one bit each, walked through in bands.

Bools = npt.NDArray[np.bool_]
ReadProbabilities = Callable[[Window], npt.NDArray[Any]]

_BAND_PIXELS = 1 << 23
# Files are stored in blocks of so many rows; a band that cuts through them would decode them twice.
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class RoadPixels:
    """What a road graph is made from, read window by window: which pixels are road, and how probable road is.

    `read_mask` gives booleans (height, width) of a window inside the scene, `read_scores` probabilities in 0..1 of the
    same shape, NaN where there is no data; None when there are none.
    """

    height: int
    width: int
    read_mask: Callable[[Window], Bools]
    read_scores: ReadProbabilities | None = None


class BitMask:
    """A mask of a whole scene at one bit a pixel."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._bytes = np.zeros((height, (width + 7) // 8), dtype=np.uint8)

    def rows(self, start: int, end: int) -> Bools:
        """Rows from `start` to before `end`, (end - start, width); above and below the scene its edge rows repeat."""
        height, width = self.shape
        packed = self._bytes[np.arange(start, end).clip(0, height - 1)]
        return np.unpackbits(packed, axis=1, count=width).view(bool)

    def set_rows(self, start: int, pixels: Bools) -> None:
        """Replace rows from `start` on by pixels (rows, width)."""
        self._bytes[start : start + len(pixels)] = np.packbits(pixels, axis=1)

    def at(self, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> Bools:
        """The pixels at rows and columns; False outside of the scene."""
        height, width = self.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        rows, cols = rows.clip(0, height - 1), cols.clip(0, width - 1)
        found = (self._bytes[rows, cols >> 3] >> (7 - (cols & 7)).astype(np.uint8)) & 1
        return np.asarray(inside & found.astype(bool))


def bitmask_from_array(mask: Bools) -> BitMask:
    """A mask (height, width) at one bit a pixel."""
    bits = BitMask(*mask.shape)
    bits.set_rows(0, mask)
    return bits


def road_pixels_from_arrays(mask: Bools, scores: npt.NDArray[Any] | None = None) -> RoadPixels:
    """Pixels that are in memory already: a mask and maybe probabilities, both (height, width)."""
    read_scores = None if scores is None else lambda window: scores[window.slices]
    return RoadPixels(len(mask), mask.shape[1], lambda window: mask[window.slices], read_scores)


def plan_row_blocks(height: int, width: int, band_rows: int | None = None) -> list[Window]:
    """Bands of full width that cover a scene from top to bottom, of `band_rows` or some 8 million pixels."""
    if band_rows is None:
        band_rows = max(1, _BAND_PIXELS // max(width, 1) // _BLOCK_ROWS) * _BLOCK_ROWS
    starts = range(0, height, band_rows)
    return [Window(col_off=0, row_off=start, width=width, height=min(band_rows, height - start)) for start in starts]


# Connected pixels of a scene that is seen band by band: small ones dropped, exactly as if it were seen at once.

Labels = npt.NDArray[np.int32]

_SIDES = ndimage.generate_binary_structure(2, 1)
_SIDES_AND_CORNERS = ndimage.generate_binary_structure(2, 2)


def drop_objects(mask: BitMask, bands: Sequence[Window], min_pixels: int, seeds: BitMask | None = None) -> None:
    """Clear every 8-connected object of less than `min_pixels`, and with `seeds` every one that holds none of them."""
    keep = _kept_labels(mask, bands, True, _SIDES_AND_CORNERS, min_pixels, seeds)
    _flip_others(mask, bands, True, _SIDES_AND_CORNERS, keep)


def fill_holes(mask: BitMask, bands: Sequence[Window], min_pixels: int) -> None:
    """Set every 4-connected region off the objects that has less than `min_pixels`, also at the edge of the scene."""
    keep = _kept_labels(mask, bands, False, _SIDES, min_pixels, None)
    _flip_others(mask, bands, False, _SIDES, keep)


def _kept_labels(
    mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools, min_pixels: int, seeds: BitMask | None
) -> Bools:
    """Whether each label, counted over all bands, belongs to a component that stays; label 0 of a band is not one."""
    sizes, seeded, links, last_row = [], [], [], None
    for band, labels, first in _iter_labels(mask, bands, value, structure):
        sizes.append(np.bincount(labels.ravel(), minlength=1)[1:])
        if seeds is not None:
            marked = labels[seeds.rows(band.row_off, band.row_end)]
            seeded.append(np.bincount(marked, minlength=len(sizes[-1]) + 1)[1:])
        top = np.where(labels[0] > 0, labels[0].astype(np.int64) + first, 0)
        if last_row is not None:
            links.append(_links(last_row, top, bool(structure[0, 0])))
        last_row = np.where(labels[-1] > 0, labels[-1].astype(np.int64) + first, 0)
    component = _join_labels(sum(map(len, sizes)), links)
    keep = np.bincount(component, weights=np.concatenate(sizes)) >= min_pixels
    if seeds is not None:
        keep &= np.bincount(component, weights=np.concatenate(seeded)) > 0
    return np.asarray(keep[component], dtype=bool)


def _flip_others(mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools, keep: Bools) -> None:
    if keep.all():
        return
    for band, labels, first in _iter_labels(mask, bands, value, structure):
        drop = np.append(False, ~keep[first : first + labels.max(initial=0)])
        mask.set_rows(band.row_off, mask.rows(band.row_off, band.row_end) ^ drop[labels])


def _iter_labels(
    mask: BitMask, bands: Sequence[Window], value: bool, structure: Bools
) -> Iterator[tuple[Window, Labels, int]]:
    """Labels 1, 2, ... of the components within each band, and how many labels came before."""
    first = 0
    for band in bands:
        labels, count = ndimage.label(mask.rows(band.row_off, band.row_end) == value, structure)
        yield band, labels, first
        first += count


def _links(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64], corners: bool) -> npt.NDArray[np.int64]:
    """Pairs (2, n) of labels, counted from 1, that touch across the border of two bands."""
    pairs = [(above, below)]
    if corners:
        pairs += [(above[1:], below[:-1]), (above[:-1], below[1:])]
    touching = np.hstack([np.vstack(pair) for pair in pairs])
    return np.unique(touching[:, (touching > 0).all(axis=0)], axis=1)


def _join_labels(count: int, links: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int32]:
    """The component of each label."""
    one, other = np.hstack([np.zeros((2, 0), dtype=np.int64), *links]) - 1
    graph = sparse.coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    _, component = csgraph.connected_components(graph, directed=False)
    return np.asarray(component, dtype=np.int32)


# Thinning of masks of any size, band by band, with the very result of thinning the whole at once.
#
# Whether thinning removes a pixel depends on its eight neighbours, twice an iteration: after n iterations what lies more
# than 2n rows away has had no influence. So a band with a halo of 2n rows may run n iterations, and the bands are gone
# through again until none of them changes. Roads up to about twice n pixels wide need one round.

Indices = npt.NDArray[np.int64]

_ITERATIONS = 32


def thin_row_blocks(mask: BitMask, bands: Sequence[Window], iterations: int = _ITERATIONS) -> BitMask:
    """Thin a mask to lines one pixel wide; `iterations` are run in a band before the next one has its turn."""
    halo, is_stable = 2 * iterations, False
    while not is_stable:
        is_stable, thinned = True, BitMask(*mask.shape)
        for band in bands:
            start, end = max(0, band.row_off - halo), min(mask.shape[0], band.row_end + halo)
            inner = slice(band.row_off - start, band.row_end - start)
            pixels, late_rows = thin_window(mask.rows(start, end), iterations)
            thinned.set_rows(band.row_off, pixels[inner])
            is_stable &= not late_rows[inner].any()
        mask = thinned
    return mask


def thin_window(mask: Bools, iterations: int) -> tuple[Bools, Bools]:
    """Thin a mask (height, width) by at most so many iterations; also the rows that the last of them has changed.

    Source: Guo & Hall 1989 as in Lam et al. 1992; it gives what skimage.morphology.thin gives.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    image, around = padded.ravel(), _around(padded.shape[1])
    contour = np.flatnonzero(image)
    contour = contour[_neighbour_codes(image, contour, around) != 255]
    stamps = np.empty(image.size, dtype=np.int32)
    late_rows = np.zeros(len(padded), dtype=bool)
    # Only pixels beside one that has gone since they were last looked at in the same half can go now.
    changed_before, changed = contour, contour
    for half in range(2 * iterations):
        candidates = _unique(np.concatenate([changed_before, changed]), stamps)
        candidates = candidates[image[candidates] > 0]
        gone = candidates[_REMOVED[half % 2][_neighbour_codes(image, candidates, around)]]
        image[gone] = 0
        beside = (gone[:, None] + around).ravel()
        changed_before, changed = changed, beside[image[beside] > 0]
        if half >= 2 * iterations - 2:
            late_rows[gone // padded.shape[1]] = True
        if not len(changed_before) and not len(changed):
            break
    return padded[1:-1, 1:-1].view(bool), late_rows[1:-1]


def _around(stride: int) -> Indices:
    """Steps to the neighbours, anticlockwise from the one to the right."""
    return np.array([1, 1 - stride, -stride, -1 - stride, -1, stride - 1, stride, 1 + stride])


def _neighbour_codes(image: npt.NDArray[np.uint8], pixels: Indices, around: Indices) -> npt.NDArray[np.uint8]:
    codes = np.zeros(len(pixels), dtype=np.uint8)
    for bit, step in enumerate(around):
        codes |= image[pixels + step] << np.uint8(bit)
    return codes


def _unique(pixels: Indices, stamps: npt.NDArray[np.int32]) -> Indices:
    numbers = np.arange(len(pixels), dtype=np.int32)
    stamps[pixels] = numbers
    return np.asarray(pixels[stamps[pixels] == numbers])


def _removed(half: int) -> Bools:
    """For each code of neighbours, whether the pixel goes in the first or the second half of an iteration."""
    x = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(bool)
    beside, corner, beside_next = x[:, 0::2], x[:, 1::2], np.roll(x[:, 0::2], -1, axis=1)
    crossings = (~beside & (corner | beside_next)).sum(axis=1)
    pairs = np.minimum((beside | corner).sum(axis=1), (corner | beside_next).sum(axis=1))
    # The same condition for one half, turned by 180 degrees for the other.
    east, north_east, north, south_east = (x[:, (index + 4 * half) % 8] for index in (0, 1, 2, 7))
    is_rim = ~((north_east | north | ~south_east) & east)
    return np.asarray((crossings == 1) & (pairs >= 2) & (pairs <= 3) & is_rim, dtype=bool)


_REMOVED = (_removed(0), _removed(1))


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
    skeleton = thin_row_blocks(padded, padded_bands)
    found: list[tuple[Ints, Ints, Floats]] = []
    for band in bands:
        lines = skeleton.rows(band.row_off + _MARGIN, band.row_end + _MARGIN)[:, _MARGIN:-_MARGIN]
        rows, cols = np.nonzero(lines)
        rows += band.row_off
        found.append((rows, cols, _distances_to_rim(padded, rows + _MARGIN, cols + _MARGIN, pixel_size_m)))
    rows, cols, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Centerlines(mask, rows, cols, distances - 0.125 * float(np.sqrt(np.prod(pixel_size_m))))


def _least_score(
    read_mask: Callable[[Window], Bools], read_scores: ReadProbabilities, bands: Sequence[Window]
) -> float:
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
        padded_bands.append(Window(col_off=0, row_off=start + _MARGIN, width=width + 2 * _MARGIN, height=end - start))
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

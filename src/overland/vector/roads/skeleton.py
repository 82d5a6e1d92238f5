"""The centre lines of a road mask and the width of the road around them, found row block by row block.

A scene may have any size: its pixels are read window by window and kept at one bit each. Small objects and holes are
found as if the scene were seen at once, because labels of neighbouring row blocks are joined where they touch.

Thinning gives the very result of thinning the whole at once. Whether it removes a pixel depends on its eight
neighbours, twice an iteration: after n iterations a pixel more than 2n rows away has had no influence. So a row block
with a halo of 2n rows may run n iterations, and the blocks are gone through again until none of them changes. Roads up
to about twice n pixels wide need one round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from overland.cleaning.components import BitMask, drop_objects, fill_holes
from overland.geo.grid import Window
from overland.vector.layer import Bools, Floats, Ints

__all__ = [
    "Centerlines",
    "Probabilities",
    "ReadProbabilities",
    "RoadPixels",
    "centerlines_from_mask",
    "clean_road_mask",
    "road_pixels_from_arrays",
    "thin_row_blocks",
    "thin_window",
]


Probabilities = npt.NDArray[np.floating]
"""Probabilities of road (height, width) in 0..1, NaN where there is no data."""
ReadProbabilities = Callable[[Window], Probabilities]
"""A function that reads the probabilities of a window inside the scene."""


@dataclass(frozen=True)
class RoadPixels:
    """The pixels that a road graph is made from, read window by window."""

    height: int
    """Rows of the scene."""
    width: int
    """Columns of the scene."""
    read_mask: Callable[[Window], Bools]
    """Reads which pixels of a window inside the scene are road, booleans (height, width)."""
    read_probabilities: ReadProbabilities | None = None
    """Reads how probable road is in a window; None where that is not known."""


def road_pixels_from_arrays(mask: Bools, probabilities: Probabilities | None = None) -> RoadPixels:
    """Give pixels that are in memory already in the form in which files are read.

    Args:
        mask: Which pixels are road (height, width).
        probabilities: Probabilities of road (height, width), if they are known.

    Returns:
        The pixels of a scene of that size.
    """
    read_probabilities = None if probabilities is None else lambda window: probabilities[window.slices]
    return RoadPixels(len(mask), mask.shape[1], lambda window: mask[window.slices], read_probabilities)


_ITERATIONS = 32


def thin_row_blocks(mask: BitMask, blocks: Sequence[Window], iterations: int = _ITERATIONS) -> BitMask:
    """Thin a mask to lines one pixel wide.

    Args:
        mask: The mask of a whole scene.
        blocks: Its row blocks, of which the result does not depend.
        iterations: So many are run in a block before the next one has its turn.

    Returns:
        The lines, a mask of the same size.
    """
    halo, is_stable = 2 * iterations, False
    while not is_stable:
        is_stable, thinned = True, BitMask(*mask.shape)
        for block in blocks:
            start, end = max(0, block.row_off - halo), min(mask.shape[0], block.row_end + halo)
            inner = slice(block.row_off - start, block.row_end - start)
            pixels, late_rows = thin_window(mask.rows(start, end), iterations)
            thinned.set_rows(block.row_off, pixels[inner])
            is_stable &= not late_rows[inner].any()
        mask = thinned
    return mask


def thin_window(mask: Bools, iterations: int) -> tuple[Bools, Bools]:
    """Thin a mask by at most so many iterations.

    Args:
        mask: Booleans (height, width).
        iterations: Number of iterations, of two halves each.

    Returns:
        The thinned mask (height, width), and for each row (height,) whether the last iteration has changed it.

    Source: Guo & Hall 1989 as in Lam et al. 1992; it gives what skimage.morphology.thin gives.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    image, stride = padded.ravel(), padded.shape[1]
    # The steps to the neighbours, anticlockwise from the one to the right.
    around = np.array([1, 1 - stride, -stride, -1 - stride, -1, stride - 1, stride, 1 + stride])
    contour = np.flatnonzero(image)
    contour = contour[_neighbour_codes(image, contour, around) != 255]
    stamps = np.empty(image.size, dtype=np.int32)
    late_rows = np.zeros(len(padded), dtype=bool)
    # Only pixels next to one that has gone since they were last looked at in the same half can go now.
    changed_before, changed = contour, contour
    for half in range(2 * iterations):
        candidates = np.concatenate([changed_before, changed])
        # Each once: the last of equal ones has left its number.
        numbers = np.arange(len(candidates), dtype=np.int32)
        stamps[candidates] = numbers
        candidates = candidates[stamps[candidates] == numbers]
        candidates = candidates[image[candidates] > 0]
        gone = candidates[_REMOVED[half % 2][_neighbour_codes(image, candidates, around)]]
        image[gone] = 0
        next_to = (gone[:, None] + around).ravel()
        changed_before, changed = changed, next_to[image[next_to] > 0]
        if half >= 2 * iterations - 2:
            late_rows[gone // stride] = True
        if not len(changed_before) and not len(changed):
            break
    return padded[1:-1, 1:-1].view(bool), late_rows[1:-1]


def _neighbour_codes(image: npt.NDArray[np.uint8], pixels: Ints, around: Ints) -> npt.NDArray[np.uint8]:
    codes = np.zeros(len(pixels), dtype=np.uint8)
    for bit, step in enumerate(around):
        codes |= image[pixels + step] << np.uint8(bit)
    return codes


def _removed(half: int) -> Bools:
    """Return for each code of neighbours whether the pixel goes in the first (0) or second (1) half of an iteration."""
    x = ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(bool)
    side, corner, next_side = x[:, 0::2], x[:, 1::2], np.roll(x[:, 0::2], -1, axis=1)
    crossings = (~side & (corner | next_side)).sum(axis=1)
    pairs = np.minimum((side | corner).sum(axis=1), (corner | next_side).sum(axis=1))
    # The same condition for one half, turned by 180 degrees for the other.
    east, north_east, north, south_east = (x[:, (index + 4 * half) % 8] for index in (0, 1, 2, 7))
    is_rim = ~((north_east | north | ~south_east) & east)
    return np.asarray((crossings == 1) & (pairs >= 2) & (pairs <= 3) & is_rim, dtype=bool)


_REMOVED = (_removed(0), _removed(1))

# The replicated margin lets a road run on beyond the scene, so that its skeleton does not fork at the border.
# Roads up to twice as wide are safe.
_MARGIN = 32
_RIM_HALO = 64
_PROBABILITY_BINS = 1000
_LOW_FRACTION = 0.6


@dataclass(frozen=True)
class Centerlines:
    """Skeleton pixels of a road mask, in the order of its rows."""

    mask: BitMask
    """The cleaned road mask."""
    rows: Ints
    """Row of each skeleton pixel (n,)."""
    cols: Ints
    """Column of each skeleton pixel (n,)."""
    half_widths_m: Floats
    """Half the width of the road at each skeleton pixel (n,), in metres."""


def clean_road_mask(pixels: RoadPixels, blocks: Sequence[Window], *, min_pixels: int, low: float | None) -> BitMask:
    """Drop small objects and holes of a road mask, and extend its roads where they are still probable (hysteresis).

    Pixels of the mask are sure. Next to them, and only where pixel after pixel leads there, a probability of `low` is
    enough: the mask is the upper threshold.

    Args:
        pixels: The scene.
        blocks: Its row blocks.
        min_pixels: Objects and holes with fewer pixels go.
        low: The lower threshold, 0 to 1. None is 0.6 of the probability that all but 1 % of the mask's pixels have, as
            0.3 is of 0.5.

    Returns:
        The cleaned mask.
    """
    if low is None and pixels.read_probabilities is not None:
        # Nearly all road pixels have at least the threshold of the mask, if it was cleaned since or not.
        counts = np.zeros(_PROBABILITY_BINS + 1, dtype=np.int64)
        for block in blocks:
            probabilities = pixels.read_probabilities(block)[pixels.read_mask(block)]
            bins = (probabilities[np.isfinite(probabilities)].clip(0, 1) * _PROBABILITY_BINS).astype(np.int64)
            counts += np.bincount(bins, minlength=len(counts))
        upper = float(np.searchsorted(counts.cumsum(), 0.01 * counts.sum())) / _PROBABILITY_BINS
        low = _LOW_FRACTION * upper
    mask = BitMask(pixels.height, pixels.width)
    seeds = None if pixels.read_probabilities is None else BitMask(pixels.height, pixels.width)
    for block in blocks:
        road = pixels.read_mask(block)
        if seeds is not None and pixels.read_probabilities is not None and low is not None:
            seeds.set_rows(block.row_off, road)
            # NaN, where nothing was measured, is not more than anything.
            road = road | (pixels.read_probabilities(block) >= low)
        mask.set_rows(block.row_off, road)
    drop_objects(mask, blocks, min_pixels, seeds)
    fill_holes(mask, blocks, min_pixels)
    return mask


def centerlines_from_mask(mask: BitMask, blocks: Sequence[Window], *, pixel_size_m: tuple[float, float]) -> Centerlines:
    """Thin a road mask to its centre lines.

    Args:
        mask: The road mask of a scene.
        blocks: Its row blocks.
        pixel_size_m: Width and height of a pixel in metres.

    Returns:
        The skeleton pixels. Half widths are distances to the nearest pixel off the road, less an eighth of a pixel:
        half a pixel too long in the middle of an upright road, a quarter too short next to that of an oblique one.
    """
    padded, padded_blocks = _with_margin(mask, blocks)
    skeleton = thin_row_blocks(padded, padded_blocks)
    found: list[tuple[Ints, Ints, Floats]] = []
    for block in blocks:
        lines = skeleton.rows(block.row_off + _MARGIN, block.row_end + _MARGIN)[:, _MARGIN:-_MARGIN]
        rows, cols = np.nonzero(lines)
        rows += block.row_off
        found.append((rows, cols, _distances_to_rim(padded, rows + _MARGIN, cols + _MARGIN, pixel_size_m)))
    rows, cols, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Centerlines(mask, rows, cols, distances - 0.125 * float(np.sqrt(np.prod(pixel_size_m))))


def _with_margin(mask: BitMask, blocks: Sequence[Window]) -> tuple[BitMask, list[Window]]:
    height, width = mask.shape
    padded = BitMask(height + 2 * _MARGIN, width + 2 * _MARGIN)
    padded_blocks = []
    for block in blocks:
        start = block.row_off - (_MARGIN if block.row_off == 0 else 0)
        end = block.row_end + (_MARGIN if block.row_end == height else 0)
        rows = np.pad(mask.rows(start, end), ((0, 0), (_MARGIN, _MARGIN)), mode="edge")
        padded.set_rows(start + _MARGIN, rows)
        padded_blocks.append(Window(col_off=0, row_off=start + _MARGIN, width=width + 2 * _MARGIN, height=end - start))
    return padded, padded_blocks


def _distances_to_rim(road: BitMask, rows: Ints, cols: Ints, pixel_size_m: tuple[float, float]) -> Floats:
    """Return the distance of each pixel to the nearest one off the road, in metres."""
    height, size = road.shape[0], np.array(pixel_size_m[::-1])
    distances = np.full(len(rows), max(road.shape) * max(pixel_size_m), dtype=float)
    unknown, halo = np.arange(len(rows)), _RIM_HALO
    while len(unknown):
        start, end = max(0, rows[unknown[0]] - halo), min(height, rows[unknown[-1]] + halo + 1)
        # Only the pixels just off the road can be nearest: a small tree instead of a distance transform of the block.
        rows_of_road = road.rows(start, end)
        rim = np.argwhere(ndimage.binary_dilation(rows_of_road, np.ones((3, 3), dtype=bool)) & ~rows_of_road)
        if len(rim):
            tree = KDTree((rim + np.array([start, 0])) * size)
            distances[unknown], _ = tree.query(np.column_stack([rows[unknown], cols[unknown]]) * size)
        if start == 0 and end == height:
            break
        # Beyond the halo there might be a nearer one.
        unknown, halo = unknown[distances[unknown] > halo * size[0]], 2 * halo
    return distances

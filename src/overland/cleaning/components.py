"""Connected components of masks of any size: found row block by row block, joined where the blocks touch.

Every room that looks for objects, holes or regions joins its labels here: the road graph on a mask at one bit a pixel,
the clean-up of class maps on regions with their borders (`overland.cleaning.regions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from overland.geo.grid import Window

__all__ = ["BitMask", "Bools", "Ints", "Labels", "bitmask_from_array", "drop_objects", "fill_holes", "join_labels"]

Bools = npt.NDArray[np.bool_]
"""A mask (height, width), or flags (n,)."""
Ints = npt.NDArray[np.int64]
"""Rows, columns or counts (n,)."""
Labels = npt.NDArray[np.int32]
"""Numbers of components (height, width) or (n,)."""

_SIDES = ndimage.generate_binary_structure(2, 1)
_SIDES_AND_CORNERS = ndimage.generate_binary_structure(2, 2)


class BitMask:
    """A mask of a whole scene at one bit a pixel, all False at first.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._bytes = np.zeros((height, (width + 7) // 8), dtype=np.uint8)

    def rows(self, start: int, end: int) -> Bools:
        """Return some rows; above and below the scene its edge rows repeat.

        Args:
            start: The first row.
            end: The row after the last one.

        Returns:
            Booleans (end - start, width).
        """
        height, width = self.shape
        packed = self._bytes[np.arange(start, end).clip(0, height - 1)]
        return np.unpackbits(packed, axis=1, count=width).view(bool)

    def set_rows(self, start: int, pixels: Bools) -> None:
        """Replace rows.

        Args:
            start: The first row.
            pixels: Booleans (rows, width).
        """
        self._bytes[start : start + len(pixels)] = np.packbits(pixels, axis=1)

    def at(self, rows: Ints, cols: Ints) -> Bools:
        """Return single pixels; they are False outside of the scene.

        Args:
            rows: Row of each pixel (n,).
            cols: Column of each pixel (n,).

        Returns:
            Booleans (n,).
        """
        height, width = self.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        rows, cols = rows.clip(0, height - 1), cols.clip(0, width - 1)
        found = (self._bytes[rows, cols >> 3] >> (7 - (cols & 7)).astype(np.uint8)) & 1
        return np.asarray(inside & found.astype(bool))


def bitmask_from_array(mask: Bools) -> BitMask:
    """Pack a mask that is in memory.

    Args:
        mask: Booleans (height, width).

    Returns:
        The same at one bit a pixel.
    """
    bits = BitMask(*mask.shape)
    bits.set_rows(0, mask)
    return bits


def drop_objects(mask: BitMask, blocks: Sequence[Window], min_pixels: int, seeds: BitMask | None = None) -> None:
    """Clear small objects of a mask; pixels are connected over corners as well.

    Args:
        mask: The mask, changed in place.
        blocks: Its row blocks, on which the result does not depend.
        min_pixels: Objects with fewer pixels go.
        seeds: With it every object goes, too, that holds none of its pixels.
    """
    _keep_large(mask, blocks, True, _SIDES_AND_CORNERS, min_pixels, seeds)


def fill_holes(mask: BitMask, blocks: Sequence[Window], min_pixels: int) -> None:
    """Set small holes of a mask; their pixels are connected over sides only. Those at the edge of the scene count, too.

    Args:
        mask: The mask, changed in place.
        blocks: Its row blocks, on which the result does not depend.
        min_pixels: Holes with fewer pixels are filled.
    """
    _keep_large(mask, blocks, False, _SIDES, min_pixels, None)


def join_labels(count: int, pairs: npt.NDArray[np.integer]) -> Labels:
    """Find the components of labels of which some are one.

    Args:
        count: Number of labels; they are 0, 1, 2, ...
        pairs: Pairs of labels (k, 2) that belong together.

    Returns:
        The component of each label (count,), numbered 0, 1, 2, ... in the order of their first labels.
    """
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    return np.asarray(component, dtype=np.int32)


def _keep_large(
    mask: BitMask, blocks: Sequence[Window], value: bool, structure: Bools, min_pixels: int, seeds: BitMask | None
) -> None:
    """Turn the components of a value that are small, or hold no seed, into the other value."""
    sizes, seeded, pairs, last_row = [], [], [np.zeros((0, 2), dtype=np.int64)], None
    for block, labels, first in _iter_labels(mask, blocks, value, structure):
        sizes.append(np.bincount(labels.ravel(), minlength=1)[1:])
        if seeds is not None:
            marked = labels[seeds.rows(block.row_off, block.row_end)]
            seeded.append(np.bincount(marked, minlength=len(sizes[-1]) + 1)[1:])
        top, bottom = (np.where(labels[row] > 0, labels[row].astype(np.int64) + first, 0) for row in (0, -1))
        if last_row is not None:
            # Labels that touch across the border of two blocks, with their corners as well where these count.
            touching = [(last_row, top)]
            if structure[0, 0]:
                touching += [(last_row[1:], top[:-1]), (last_row[:-1], top[1:])]
            both = np.hstack([np.vstack(pair) for pair in touching])
            pairs.append(np.unique(both[:, (both > 0).all(axis=0)], axis=1).T - 1)
        last_row = bottom
    component = join_labels(sum(map(len, sizes)), np.concatenate(pairs))
    keep = np.bincount(component, weights=np.concatenate(sizes)) >= min_pixels
    if seeds is not None:
        keep &= np.bincount(component, weights=np.concatenate(seeded)) > 0
    keep = keep[component]
    if keep.all():
        return
    for block, labels, first in _iter_labels(mask, blocks, value, structure):
        drop = np.append(False, ~keep[first : first + labels.max(initial=0)])
        mask.set_rows(block.row_off, mask.rows(block.row_off, block.row_end) ^ drop[labels])


def _iter_labels(
    mask: BitMask, blocks: Sequence[Window], value: bool, structure: Bools
) -> Iterator[tuple[Window, Labels, int]]:
    """Give labels 1, 2, ... of the components within each block, and how many labels came before."""
    first = 0
    for block in blocks:
        labels, count = ndimage.label(mask.rows(block.row_off, block.row_end) == value, structure)
        yield block, np.asarray(labels, dtype=np.int32), first
        first += count

"""Regions of one class over a raster of any size, with their areas and shared borders, and small ones given away.

Regions are labelled row block by row block and joined where the blocks touch. What becomes of a small one is decided on
the regions of the whole raster and not on its pixels, so it does not depend on how the raster was cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import skimage.measure

from overland.cleaning.components import Bools, Ints, Labels, join_labels
from overland.cleaning.filters import Mask
from overland.cleaning.options import CleanUp
from overland.legend import IGNORE_INDEX

__all__ = [
    "Regions",
    "absorb_holes",
    "absorb_regions",
    "clean_regions",
    "merge_regions",
    "paint_regions",
    "regions_from_row_blocks",
]

Row = tuple[Mask, Labels]

# A pair of regions is sorted and counted as one number of 64 bits, the first region in the upper half.
_HALF = 32
_NEVER_SMALL = np.iinfo(np.int64).max
_NO_PAIRS = np.empty((0, 2), np.int32)
_IDS = 256


@dataclass(frozen=True)
class Regions:
    """Connected regions of one class (4-connected, as polygons are) and how they touch.

    Region 0 is the outside: pixels without data and beyond the raster; its class is 255 and it is never small. The
    others come in the order of their first pixel, row by row, so their numbers do not depend on any class id.
    """

    classes: Mask
    """Class id of each region (n,)."""
    areas: Ints
    """Pixels of each region (n,)."""
    pairs: Labels
    """Neighbours (m, 2), the smaller number first."""
    borders: Labels
    """Pixel edges that the two of each pair share (m,)."""

    def __len__(self) -> int:
        return len(self.classes) - 1


def regions_from_row_blocks(blocks: Iterable[Mask], *, largest: int) -> tuple[Regions, list[Labels]]:
    """Find the regions of a mask that comes in row blocks from top to bottom.

    Memory follows the number of regions and one block, not the raster.

    Args:
        blocks: Class ids of each block, uint8 (rows, width) with 255 where there is no data. The regions do not depend
            on how the mask is cut.
        largest: Regions of so many pixels will never change: borders between two that have them within one block are
            left out.

    Returns:
        The regions, and for each block the region of each of its labels, for `paint_regions`.
    """
    # The area of the outside is the largest there is and is never added to: nothing joins the outside.
    outside = Regions(np.array([IGNORE_INDEX], np.uint8), np.array([_NEVER_SMALL]), _NO_PAIRS, _NO_PAIRS[:, 0])
    parts, joins, spans = [outside], [_NO_PAIRS], []
    total = 1
    above: Row | None = None
    for mask in blocks:
        labels = _labels(mask)
        # The regions of a block are numbered as its labels; borders at its sides are borders with the outside.
        areas = np.bincount(labels.ravel(), minlength=1)
        classes = np.empty(len(areas), np.uint8)
        classes[labels.ravel()] = mask.ravel()
        sides = ((0, 0), (1, 1))
        wide_mask, wide_labels = np.pad(mask, sides, constant_values=IGNORE_INDEX), np.pad(labels, sides)
        across = _borders(wide_mask[:, :-1], wide_labels[:, :-1], wide_mask[:, 1:], wide_labels[:, 1:])
        down = _borders(mask[:-1], labels[:-1], mask[1:], labels[1:])
        areas[0] = _NEVER_SMALL
        pairs, borders = _counted(np.concatenate([across, down]))
        may_change = (areas[pairs] < largest).any(axis=1)
        block = Regions(classes[1:], areas[1:], pairs[may_change], borders[may_change])
        first, total = total, total + len(block.classes)
        parts.append(replace(block, pairs=_shifted(block.pairs, first - 1)))
        top, bottom = ((mask[row], _shifted(labels[row], first - 1)) for row in (0, -1))
        above = above or _outside_row(mask.shape[1])
        # Parts are one region where they meet with one class across the seam of two blocks.
        is_one = (above[0] == top[0]) & (above[0] != IGNORE_INDEX)
        joins.append(np.unique(np.stack([above[1][is_one], top[1][is_one]], axis=1), axis=0))
        parts.append(_seam(above, top))
        above = bottom
        spans.append(slice(first, total))
    if above is not None:
        parts.append(_seam(above, _outside_row(len(above[0]))))
    columns = ([getattr(part, name) for part in parts] for name in ("classes", "areas", "pairs", "borders"))
    regions, region_of_part = merge_regions(Regions(*map(np.concatenate, columns)), np.concatenate(joins))
    return regions, [np.append(np.int32(0), region_of_part[span]) for span in spans]


def paint_regions(mask: Mask, region_of_label: Labels, classes: Mask) -> Mask:
    """Paint a row block anew.

    Args:
        mask: The block, as `regions_from_row_blocks` saw it.
        region_of_label: The regions of its labels, as that gave them.
        classes: The new class of each region.

    Returns:
        The block with the new classes, uint8 (rows, width).
    """
    return np.asarray(classes[region_of_label][_labels(mask)], dtype=np.uint8)


def merge_regions(regions: Regions, joins: Labels) -> tuple[Regions, Labels]:
    """Join regions of one class.

    Args:
        regions: Regions, or parts of them.
        joins: Pairs (k, 2) of parts that are one.

    Returns:
        The regions, in the order of their first parts, and for each part the region it went to.
    """
    region_of_part = join_labels(len(regions.classes), joins)
    count = int(region_of_part.max(initial=-1)) + 1
    classes = np.empty(count, np.uint8)
    classes[region_of_part] = regions.classes
    areas = np.zeros(count, np.int64)
    np.add.at(areas, region_of_part, regions.areas)
    ends = region_of_part[regions.pairs]
    is_border = ends[:, 0] != ends[:, 1]
    codes, borders = _codes(ends[is_border, 0], ends[is_border, 1]), regions.borders[is_border]
    if len(codes):
        # Each pair once, with its borders added up.
        order = np.argsort(codes)
        codes = codes[order]
        firsts = np.append(0, np.flatnonzero(np.diff(codes)) + 1)
        codes, borders = codes[firsts], np.add.reduceat(borders[order], firsts)
    return Regions(classes, areas, _pairs(codes), borders), region_of_part


def _outside_row(width: int) -> Row:
    return np.full(width, IGNORE_INDEX, np.uint8), np.zeros(width, np.int32)


def _labels(mask: Mask) -> Labels:
    # Half the size that scikit-image gives: two thousand million regions would not fit into memory anyway.
    labels: Labels = skimage.measure.label(mask, background=IGNORE_INDEX, connectivity=1).astype(np.int32)
    return labels


def _shifted(labels: Labels, by: int) -> Labels:
    return np.where(labels > 0, labels + np.int32(by), np.int32(0))


def _seam(above: Row, below: Row) -> Regions:
    pairs, borders = _counted(_borders(*above, *below))
    return Regions(np.empty(0, np.uint8), np.empty(0, np.int64), pairs, borders)


def _borders(mask: Mask, ids: Labels, other_mask: Mask, other_ids: Labels) -> Ints:
    """Give a code for each place where pixels that lie side by side differ."""
    differs = mask != other_mask
    return _codes(ids[differs], other_ids[differs])


def _codes(ids: Labels, other_ids: Labels) -> Ints:
    codes: Ints = np.minimum(ids, other_ids).astype(np.int64) << _HALF
    codes |= np.maximum(ids, other_ids)
    return codes


def _counted(codes: Ints) -> tuple[Labels, Labels]:
    """Give each pair once, and the number of its codes."""
    codes, counts = np.unique(codes, return_counts=True)
    return _pairs(codes), counts.astype(np.int32)


def _pairs(codes: Ints) -> Labels:
    pairs = np.empty((len(codes), 2), np.int32)
    pairs[:, 0] = codes >> _HALF
    pairs[:, 1] = codes & ((1 << _HALF) - 1)
    return pairs


def clean_regions(regions: Regions, cleanup: CleanUp, background: int | None = None) -> tuple[Mask, Regions]:
    """Remove objects, fill holes and sieve, in this order, as far as the clean-up asks for it.

    Args:
        regions: The regions of a mask.
        cleanup: The steps and their sizes.
        background: Id of the class that is no object; None without one.

    Returns:
        The new class of each region, and the regions that are left when neighbours of one class are joined.
    """
    left = regions
    left_of_region: Labels = np.arange(len(regions.classes), dtype=np.int32)
    for step in ("remove_objects", "fill_holes", "sieve"):
        changed = step in cleanup.steps
        while changed:
            is_small = left.areas < cleanup.steps[step]
            if step == "remove_objects" and background is not None:
                is_small &= left.classes != background
            if step == "fill_holes":
                classes = absorb_holes(left, cleanup.fill_holes, background)
            else:
                classes = absorb_regions(left, is_small)
            # A filled hole may have turned what lay in it, or around it, into a hole: again until nothing changes.
            changed = step == "fill_holes" and not np.array_equal(classes, left.classes)
            is_one = classes[left.pairs[:, 0]] == classes[left.pairs[:, 1]]
            left, merged = merge_regions(replace(left, classes=classes), left.pairs[is_one])
            left_of_region = merged[left_of_region]
    return left.classes[left_of_region], left


def absorb_regions(regions: Regions, is_small: Bools) -> Mask:
    """Give each small region the class with the longest border around it.

    Only neighbours that are not small, or have been absorbed before, count: clusters of small regions are taken from
    outside inwards. Of equally long borders the class with the largest region there wins, then the one that comes
    first in the raster. A small region stays when no neighbour is larger, as in a field of noise alone.

    Args:
        regions: The regions of a mask.
        is_small: Bools (n,) of those to give away.

    Returns:
        The class of each region.
    """
    classes, is_pending = regions.classes.copy(), is_small.copy()
    small, neighbour, border = _neighbours(regions, is_small)
    relevant = classes[neighbour] != IGNORE_INDEX
    while relevant.any():
        small, neighbour, border = small[relevant], neighbour[relevant], border[relevant]
        is_ready = ~is_pending[neighbour]
        if not is_ready.any():
            break
        taken, by = _longest_border(small[is_ready], neighbour[is_ready], border[is_ready], classes, regions.areas)
        classes[taken] = by
        is_pending[taken] = False
        relevant = is_pending[small]
    return classes


def absorb_holes(regions: Regions, max_pixels: int, background: int | None = None) -> Mask:
    """Give each small hole the class around it. Of holes within holes the outer ones are filled.

    A hole is a region with neighbours of one class only, away from missing data and the edge.

    Args:
        regions: The regions of a mask.
        max_pixels: Holes with fewer pixels are filled.
        background: Id of the class that has no holes, because objects lie in it; None without one.

    Returns:
        The class of each region.
    """
    is_small = regions.areas < max_pixels
    region, neighbour, _ = _neighbours(regions, is_small)
    lowest, highest = np.full_like(regions.classes, IGNORE_INDEX), np.zeros_like(regions.classes)
    np.minimum.at(lowest, region, regions.classes[neighbour])
    np.maximum.at(highest, region, regions.classes[neighbour])
    is_hole = is_small & (lowest == highest) & (highest != IGNORE_INDEX)
    if background is not None:
        is_hole &= highest != background
    is_outer = np.zeros_like(is_hole)
    is_outer[region[~is_hole[neighbour]]] = True
    return np.where(is_hole & is_outer, highest, regions.classes)


def _neighbours(regions: Regions, is_asked: Bools) -> tuple[Labels, Labels, Labels]:
    """Give the borders of some regions from their side: a region, its neighbour, the length."""
    one, other = regions.pairs.T
    from_one, from_other = is_asked[one], is_asked[other]
    return (
        np.concatenate([one[from_one], other[from_other]]),
        np.concatenate([other[from_one], one[from_other]]),
        np.concatenate([regions.borders[from_one], regions.borders[from_other]]),
    )


def _longest_border(small: Labels, neighbour: Labels, border: Labels, classes: Mask, areas: Ints) -> tuple[Ints, Ints]:
    keys, key_of_border = np.unique(small.astype(np.int64) * _IDS + classes[neighbour], return_inverse=True)
    length, largest = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    first = np.full(len(keys), len(classes))
    np.add.at(length, key_of_border, border)
    np.maximum.at(largest, key_of_border, areas[neighbour])
    np.minimum.at(first, key_of_border, neighbour)
    region, candidate = keys // _IDS, keys % _IDS
    order = np.lexsort((first, -largest, -length, region))
    is_best = np.append(True, np.diff(region[order]) != 0)
    return region[order][is_best], candidate[order][is_best]

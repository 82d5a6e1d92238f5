"""Regions of one class over a raster of any size: labelled band by band, with areas and shared borders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import skimage.measure
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from overland.cleaning.filters import Mask
from overland.cleaning.options import CleanUp
from overland.legend import IGNORE_INDEX

__all__ = [
    "Ids",
    "Ints",
    "Regions",
    "absorb_regions",
    "clean_regions",
    "fill_holes",
    "merge_regions",
    "paint_regions",
    "regions_from_row_blocks",
]


Ids = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Row = tuple[Mask, Ids]

# A pair of regions is sorted and counted as one number of 64 bits, the first region in the upper half.
_HALF = 32
_NEVER_SMALL = np.iinfo(np.int64).max
_NO_PAIRS = np.empty((0, 2), np.int32)


@dataclass(frozen=True)
class Regions:
    """Connected regions of one class (4-connected, as polygons are) and how they touch.

    Region 0 is what lies outside: pixels without data and beyond the raster; its class is 255 and it is never small.
    The others come in the order of their first pixel, row by row, so their numbers do not depend on any class id.
    `classes` and `areas` (pixels) have one entry for each; `pairs` (m, 2) are neighbours, smaller number first, with
    `borders`, the number of pixel edges that they share.
    """

    classes: Mask
    areas: Ints
    pairs: Ids
    borders: Ids

    def __len__(self) -> int:
        return len(self.classes) - 1


def regions_from_row_blocks(bands: Iterable[Mask], *, largest: int) -> tuple[Regions, list[Ids]]:
    """Find the regions of a mask that comes as bands of rows from top to bottom.

    Returns them, and for each band the region of each of its labels, for `paint_regions`. Memory follows the number of
    regions and one band, not the raster. Borders between regions that both have `largest` pixels or more in one band
    are left out: neither will ever change. The regions do not depend on how the mask is cut into bands.
    """
    parts, joins, spans = [_outside()], [_NO_PAIRS], []
    total = 1
    above: Row | None = None
    for mask in bands:
        labels = _labels(mask)
        band = _parts_of_band(mask, labels, largest)
        first, total = total, total + len(band.classes)
        parts.append(replace(band, pairs=_shifted(band.pairs, first - 1)))
        top, bottom = ((mask[row], _shifted(labels[row], first - 1)) for row in (0, -1))
        above = above or _outside_row(mask.shape[1])
        joins.append(_joined(above, top))
        parts.append(_seam(above, top))
        above = bottom
        spans.append(slice(first, total))
    if above is not None:
        parts.append(_seam(above, _outside_row(len(above[0]))))
    regions, region_of_part = merge_regions(_concatenated(parts), np.concatenate(joins))
    return regions, [np.append(np.int32(0), region_of_part[span]) for span in spans]


def paint_regions(mask: Mask, region_of_label: Ids, classes: Mask) -> Mask:
    """Paint a band anew: `region_of_label` is what `regions_from_row_blocks` gave for it, `classes` one for each region."""
    painted: Mask = classes[region_of_label][_labels(mask)]
    return painted


def merge_regions(regions: Regions, joins: Ids) -> tuple[Regions, Ids]:
    """Make one region of those that `joins` (k, 2) connects; they must be of one class.

    Returns the regions, in the order of their first parts, and for each part the region it went to.
    """
    number = len(regions.classes)
    graph = coo_array((np.ones(len(joins), bool), (joins[:, 0], joins[:, 1])), shape=(number, number))
    count, region_of_part = connected_components(graph, directed=False)
    classes = np.empty(count, np.uint8)
    classes[region_of_part] = regions.classes
    areas = np.zeros(count, np.int64)
    np.add.at(areas, region_of_part, regions.areas)
    ends = region_of_part[regions.pairs]
    is_border = ends[:, 0] != ends[:, 1]
    pairs, borders = _added_up(_codes(ends[is_border, 0], ends[is_border, 1]), regions.borders[is_border])
    return Regions(classes, areas, pairs, borders), region_of_part


def _outside() -> Regions:
    # Its area is the largest there is and is never added to: nothing joins the outside.
    return Regions(np.array([IGNORE_INDEX], np.uint8), np.array([_NEVER_SMALL]), _NO_PAIRS, _NO_PAIRS[:, 0])


def _outside_row(width: int) -> Row:
    return np.full(width, IGNORE_INDEX, np.uint8), np.zeros(width, np.int32)


def _labels(mask: Mask) -> Ids:
    # Half the size that scikit-image gives: two thousand million regions would not fit into memory anyway.
    labels: Ids = skimage.measure.label(mask, background=IGNORE_INDEX, connectivity=1).astype(np.int32)
    return labels


def _shifted(labels: Ids, by: int) -> Ids:
    return np.where(labels > 0, labels + np.int32(by), np.int32(0))


def _parts_of_band(mask: Mask, labels: Ids, largest: int) -> Regions:
    """The regions within a band, numbered as its labels are; the borders at its sides are borders with the outside."""
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
    return Regions(classes[1:], areas[1:], pairs[may_change], borders[may_change])


def _joined(above: Row, below: Row) -> Ids:
    """Pairs of parts that are one region, since they meet with one class across the seam of two bands."""
    is_one = (above[0] == below[0]) & (above[0] != IGNORE_INDEX)
    return np.unique(np.stack([above[1][is_one], below[1][is_one]], axis=1), axis=0)


def _seam(above: Row, below: Row) -> Regions:
    pairs, borders = _counted(_borders(*above, *below))
    return Regions(np.empty(0, np.uint8), np.empty(0, np.int64), pairs, borders)


def _borders(mask: Mask, ids: Ids, other_mask: Mask, other_ids: Ids) -> Ints:
    """A code for each place where pixels that lie side by side differ."""
    differs = mask != other_mask
    return _codes(ids[differs], other_ids[differs])


def _codes(ids: Ids, other_ids: Ids) -> Ints:
    codes: Ints = np.minimum(ids, other_ids).astype(np.int64) << _HALF
    codes |= np.maximum(ids, other_ids)
    return codes


def _counted(codes: Ints) -> tuple[Ids, Ids]:
    """Each pair once, and how often its code is there."""
    codes, counts = np.unique(codes, return_counts=True)
    return _pairs(codes), counts.astype(np.int32)


def _added_up(codes: Ints, borders: Ids) -> tuple[Ids, Ids]:
    """Each pair once, with its borders added up."""
    if len(codes) == 0:
        return _pairs(codes), borders
    order = np.argsort(codes)
    codes = codes[order]
    firsts = np.append(0, np.flatnonzero(np.diff(codes)) + 1)
    totals: Ids = np.add.reduceat(borders[order], firsts)
    return _pairs(codes[firsts]), totals


def _pairs(codes: Ints) -> Ids:
    pairs = np.empty((len(codes), 2), np.int32)
    pairs[:, 0] = codes >> _HALF
    pairs[:, 1] = codes & ((1 << _HALF) - 1)
    return pairs


def _concatenated(parts: list[Regions]) -> Regions:
    return Regions(
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.areas for part in parts]),
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.borders for part in parts]),
    )


# Small regions given to what surrounds them, decided on the regions of the whole raster and not on its pixels.

Flags = npt.NDArray[np.bool_]

_IDS = 256


def clean_regions(regions: Regions, cleanup: CleanUp, background: int | None = None) -> tuple[Mask, Regions]:
    """Remove objects, fill holes and sieve, in this order, as far as the clean-up asks for it.

    Returns the new class of each region, and the regions that are left when neighbours of one class are joined.
    """
    left = regions
    left_of_region: Ids = np.arange(len(regions.classes), dtype=np.int32)
    for step in ("remove_objects", "fill_holes", "sieve"):
        changed = step in cleanup.steps
        while changed:
            classes = _after_step(step, left, cleanup, background)
            # A filled hole may have turned what lay in it, or around it, into a hole: again until nothing changes.
            changed = step == "fill_holes" and not np.array_equal(classes, left.classes)
            left, merged = _recoloured(left, classes)
            left_of_region = merged[left_of_region]
    return left.classes[left_of_region], left


def absorb_regions(regions: Regions, is_small: Flags) -> Mask:
    """Give each small region the class with the longest border around it; returns the class of each region.

    Only neighbours that are not small, or have been absorbed before, count: clusters of small regions are taken from
    outside inwards. Of equally long borders the class with the largest region there wins, then the one that comes
    first in the raster. A small region stays when no neighbour is larger, as in a field of noise alone.
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


def fill_holes(regions: Regions, max_pixels: int, background: int | None = None) -> Mask:
    """Give each hole of less than `max_pixels` the class around it; returns the class of each region.

    A hole is a region with neighbours of one class only, away from missing data and the edge. The `background` has
    no holes: what lies in it are objects. Of holes within holes the outer ones are filled.
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


def _after_step(step: str, regions: Regions, cleanup: CleanUp, background: int | None) -> Mask:
    if step == "fill_holes":
        return fill_holes(regions, cleanup.fill_holes, background)
    is_small = regions.areas < cleanup.steps[step]
    if step == "remove_objects" and background is not None:
        is_small &= regions.classes != background
    return absorb_regions(regions, is_small)


def _recoloured(regions: Regions, classes: Mask) -> tuple[Regions, Ids]:
    is_one = classes[regions.pairs[:, 0]] == classes[regions.pairs[:, 1]]
    return merge_regions(replace(regions, classes=classes), regions.pairs[is_one])


def _neighbours(regions: Regions, is_meant: Flags) -> tuple[Ids, Ids, Ids]:
    """The borders of the regions meant, from their side: a region, its neighbour, the length."""
    one, other = regions.pairs.T
    from_one, from_other = is_meant[one], is_meant[other]
    return (
        np.concatenate([one[from_one], other[from_other]]),
        np.concatenate([other[from_one], one[from_other]]),
        np.concatenate([regions.borders[from_one], regions.borders[from_other]]),
    )


def _longest_border(small: Ids, neighbour: Ids, border: Ids, classes: Mask, areas: Ints) -> tuple[Ints, Ints]:
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

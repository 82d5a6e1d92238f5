"""Small regions given to what surrounds them, decided on the regions of the whole raster and not on its pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from overland.legend import IGNORE_INDEX
from overland.postprocess.cleanup import CleanUp
from overland.postprocess.filters import Mask
from overland.postprocess.regions import Ids, Ints, Regions, merge_regions

__all__ = ["absorb_regions", "clean_regions", "fill_holes"]

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

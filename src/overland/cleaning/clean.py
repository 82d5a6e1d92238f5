"""A mask of any size cleaned in bands of rows; what comes out does not depend on the bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from overland.cleaning.filters import Mask, close_mask, majority_mask, median_mask, open_mask
from overland.cleaning.options import CleanUp
from overland.cleaning.regions import Ids, Regions, clean_regions, paint_regions, regions_from_row_blocks

__all__ = ["Band", "ReadRows", "RegionPlan", "clean_mask", "clean_row_blocks", "plan_regions"]

Band = tuple[int, int]
ReadRows = Callable[[int, int], Mask]


@dataclass(frozen=True)
class RegionPlan:
    """The regions of a mask as they are `before` and `after` their clean-up, and how to paint each band anew."""

    before: Regions
    after: Regions
    classes: Mask
    region_of_label: list[Ids]


def clean_mask(mask: Mask, cleanup: CleanUp, background: int | None = None) -> Mask:
    """Clean a mask (height, width) of class ids, uint8 with 255 where there is no data; the mask itself is kept."""
    bands = [(0, mask.shape[0])]
    plan = plan_regions(lambda top, end: mask[top:end], bands, cleanup, background)
    _, cleaned = next(clean_row_blocks(lambda top, end: mask[top:end], bands, cleanup, background, plan))
    return cleaned


def plan_regions(
    read_rows: ReadRows, bands: Sequence[Band], cleanup: CleanUp, background: int | None = None
) -> RegionPlan | None:
    """Decide what becomes of every region: the first pass over a mask. None when no step asks for regions.

    `read_rows(top, end)` gives rows of the mask, (end - top, width) uint8; `bands` are the tops and ends of the bands
    that cover it from top to bottom. Their halo is read beside them.
    """
    if not cleanup.largest_region:
        return None
    filtered = (_read_filtered(read_rows, band, bands[-1][1], cleanup, background)[1] for band in bands)
    before, region_of_label = regions_from_row_blocks(filtered, largest=cleanup.largest_region)
    classes, after = clean_regions(before, cleanup, background)
    return RegionPlan(before, after, classes, region_of_label)


def clean_row_blocks(
    read_rows: ReadRows, bands: Sequence[Band], cleanup: CleanUp, background: int | None, plan: RegionPlan | None
) -> Iterator[tuple[Mask, Mask]]:
    """Clean a mask band by band: the second pass, with the plan of the first. Yields each band as it was and as it is.

    Arguments as for `plan_regions`.
    """
    for number, band in enumerate(bands):
        mask, cleaned = _read_filtered(read_rows, band, bands[-1][1], cleanup, background)
        if plan is not None:
            cleaned = paint_regions(cleaned, plan.region_of_label[number], plan.classes)
        yield mask, cleaned


def _read_filtered(
    read_rows: ReadRows, band: Band, height: int, cleanup: CleanUp, background: int | None
) -> tuple[Mask, Mask]:
    """A band as it is, and after the steps that look no further than the halo."""
    top, end = band
    first = max(0, top - cleanup.halo)
    mask = read_rows(first, min(height, end + cleanup.halo))
    own = slice(top - first, end - first)
    return mask[own], _filtered(mask, cleanup, background)[own]


def _filtered(mask: Mask, cleanup: CleanUp, background: int | None) -> Mask:
    if cleanup.median:
        mask = median_mask(mask, cleanup.median)
    if cleanup.majority:
        mask = majority_mask(mask, cleanup.majority)
    if cleanup.open:
        mask = open_mask(mask, cleanup.open, background=background)
    if cleanup.close:
        mask = close_mask(mask, cleanup.close, background=background)
    return mask

"""A mask of any size cleaned in row blocks, with the very result of cleaning it at once.

The steps of a clean-up are done in a fixed order. Those that look at a neighbourhood read a halo of rows next to each
block; those that look at regions are decided in a first pass over the whole mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from overland.cleaning.components import Labels
from overland.cleaning.filters import Mask, close_mask, majority_mask, median_mask, open_mask
from overland.cleaning.options import CleanUp
from overland.cleaning.regions import Regions, clean_regions, paint_regions, regions_from_row_blocks

__all__ = ["ReadRows", "RegionPlan", "RowBlock", "clean_mask", "clean_row_blocks", "plan_regions"]

RowBlock = tuple[int, int]
"""The first row of a block, and the row after its last."""
ReadRows = Callable[[int, int], Mask]
"""A function that reads rows of a mask, (end - top, width) uint8."""


@dataclass(frozen=True)
class RegionPlan:
    """The fate of every region of a mask, decided by `plan_regions`."""

    before: Regions
    """Regions as they are."""
    after: Regions
    """Regions that are left."""
    classes: Mask
    """New class of each region as they are."""
    region_of_label: list[Labels]
    """For each row block the regions of its labels."""


def clean_mask(mask: Mask, cleanup: CleanUp, background: int | None = None) -> Mask:
    """Clean a mask that is in memory.

    Args:
        mask: Class ids, uint8 (height, width) with 255 where there is no data; it is kept.
        cleanup: The steps and their sizes.
        background: Id of the class that is no object; None without one.

    Returns:
        A new mask of the same shape.
    """
    blocks = [(0, mask.shape[0])]
    plan = plan_regions(lambda top, end: mask[top:end], blocks, cleanup, background)
    _, cleaned = next(clean_row_blocks(lambda top, end: mask[top:end], blocks, cleanup, background, plan))
    return cleaned


def plan_regions(
    read_rows: ReadRows, blocks: Sequence[RowBlock], cleanup: CleanUp, background: int | None = None
) -> RegionPlan | None:
    """Decide the fate of every region: the first pass over a mask.

    Args:
        read_rows: Reads rows of the mask; the halo of a block is read with it.
        blocks: Row blocks that cover the mask from top to bottom.
        cleanup: The steps and their sizes.
        background: Id of the class that is no object; None without one.

    Returns:
        The plan for `clean_row_blocks`; None when no step asks for regions.
    """
    if not cleanup.largest_region:
        return None
    filtered = (_read_filtered(read_rows, block, blocks[-1][1], cleanup, background)[1] for block in blocks)
    before, region_of_label = regions_from_row_blocks(filtered, largest=cleanup.largest_region)
    classes, after = clean_regions(before, cleanup, background)
    return RegionPlan(before, after, classes, region_of_label)


def clean_row_blocks(
    read_rows: ReadRows, blocks: Sequence[RowBlock], cleanup: CleanUp, background: int | None, plan: RegionPlan | None
) -> Iterator[tuple[Mask, Mask]]:
    """Clean a mask row block by row block: the second pass.

    Args:
        read_rows: Reads rows of the mask.
        blocks: Row blocks that cover the mask, as in the first pass.
        cleanup: The steps and their sizes.
        background: Id of the class that is no object; None without one.
        plan: The plan of the first pass.

    Yields:
        Each block before and after, two arrays (rows, width).
    """
    for number, block in enumerate(blocks):
        mask, cleaned = _read_filtered(read_rows, block, blocks[-1][1], cleanup, background)
        if plan is not None:
            cleaned = paint_regions(cleaned, plan.region_of_label[number], plan.classes)
        yield mask, cleaned


def _read_filtered(
    read_rows: ReadRows, block: RowBlock, height: int, cleanup: CleanUp, background: int | None
) -> tuple[Mask, Mask]:
    """Read a block as it is, and after the steps that look no further than the halo."""
    top, end = block
    first = max(0, top - cleanup.halo)
    mask = read_rows(first, min(height, end + cleanup.halo))
    own = slice(top - first, end - first)
    cleaned = mask
    if cleanup.median:
        cleaned = median_mask(cleaned, cleanup.median)
    if cleanup.majority:
        cleaned = majority_mask(cleaned, cleanup.majority)
    if cleanup.open:
        cleaned = open_mask(cleaned, cleanup.open, background=background)
    if cleanup.close:
        cleaned = close_mask(cleaned, cleanup.close, background=background)
    return mask[own], cleaned[own]

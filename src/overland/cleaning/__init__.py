"""Masks cleaned: open and close, median, majority, sieve, holes (numpy).

No class is special but the legend's background, and no rule looks at the size of an id: permute the classes of a mask
and its clean-up permutes with them. Pixels of 255 hold no data; they are neither changed nor grown into.
"""

from overland.cleaning.clean import RegionPlan, clean_mask, clean_row_blocks, plan_regions
from overland.cleaning.filters import close_mask, majority_mask, median_mask, open_mask
from overland.cleaning.options import PRESETS, CleanUp

__all__ = [
    "PRESETS",
    "CleanUp",
    "RegionPlan",
    "clean_mask",
    "clean_row_blocks",
    "close_mask",
    "majority_mask",
    "median_mask",
    "open_mask",
    "plan_regions",
]

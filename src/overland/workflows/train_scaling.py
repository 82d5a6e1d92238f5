"""How pixels are scaled before the network: what a recipe's `normalize` means for a set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from overland.datasets.chips import BandStatistics
from overland.errors import UsageError

__all__ = ["scaling_for"]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def scaling_for(normalize: str, statistics: BandStatistics) -> BandStatistics:
    """The mean and deviation that pixels are scaled with, in the scenes' own units.

    "data" keeps those of the set, "none" leaves pixels as they are, "unit" brings integers to 0..1, "imagenet" is
    "unit" and ImageNet's mean and deviation, which most published encoders were trained with. Raises `UsageError`
    where a choice does not fit the pixel type or the number of bands.
    """
    if normalize == "data":
        return statistics
    bands = len(statistics.mean)
    if normalize == "none":
        return replace(statistics, mean=(0.0,) * bands, std=(1.0,) * bands)
    if not np.issubdtype(statistics.dtype, np.integer):
        raise UsageError(f"normalize: {normalize} needs pixels of integers; these are {statistics.dtype}. Use data.")
    highest = float(np.iinfo(statistics.dtype).max)
    mean, std = ((0.0,) * bands, (1.0,) * bands) if normalize == "unit" else (_IMAGENET_MEAN, _IMAGENET_STD)
    if len(mean) != bands:
        raise UsageError(f"normalize: {normalize} knows {len(mean)} bands; these images have {bands}. Use data.")
    return replace(
        statistics, mean=tuple(value * highest for value in mean), std=tuple(value * highest for value in std)
    )

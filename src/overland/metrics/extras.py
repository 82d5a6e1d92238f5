"""Scores that are counted on request, beside those of the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from overland.legend import Legend
from overland.metrics.boundary import BoundaryCounts
from overland.metrics.patches import PatchCounts
from overland.metrics.roads import road_counts_for

__all__ = ["EXTRA_SCORES", "ExtraCounts", "extra_counts_for"]

EXTRA_SCORES = ("roads", "boundary", "patches")


class ExtraCounts(Protocol):
    """Counts that images are added to and scores follow from."""

    def add(
        self,
        target: npt.NDArray[Any],
        mask: npt.NDArray[Any],
        ignore_index: int,
        scores: npt.NDArray[Any] | None = None,
    ) -> None:
        """Count one image: ids (height, width), and for one class on a background its scores, where there are some."""

    def scores(self) -> dict[str, Any]:
        """Scores of all images together."""


def extra_counts_for(
    legend: Legend, *, roads: bool = False, boundary: str | int | None = None, patches: int | None = None
) -> Mapping[str, ExtraCounts]:
    """Counts that start from nothing, by the name of their block in the results.

    `roads` asks for `RoadCounts`, `boundary` is the band of `BoundaryCounts`, `patches` the size of `PatchCounts`.
    Raises `UsageError` for what does not fit the legend or makes no sense.
    """
    counts: dict[str, ExtraCounts] = {}
    if roads:
        counts["roads"] = road_counts_for(legend)
    if boundary is not None:
        counts["boundary"] = BoundaryCounts(legend, boundary)
    if patches is not None:
        counts["patches"] = PatchCounts(legend, patches)
    return counts

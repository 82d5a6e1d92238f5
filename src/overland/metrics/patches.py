"""Scores of square patches instead of pixels, as the EPFL and ETH road challenges count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.boundary import BoundaryCounts
from overland.metrics.roads import road_counts_for

__all__ = [
    "EXTRA_SCORES",
    "PATCH_FRACTION",
    "ExtraCounts",
    "PatchCounts",
    "extra_counts_for",
    "patch_counts",
    "patch_means",
]


PATCH_FRACTION = 0.25

Values = npt.NDArray[np.float64]


class PatchCounts:
    """Right and wrong patches of `size` x `size` pixels, summed over the images added.

    Raises `UsageError` when the legend is not one class on a background, or the size is below 1.
    """

    def __init__(self, legend: Legend, size: int = 16) -> None:
        if size < 1:
            raise UsageError(f"The side of a patch is a number of pixels, such as 16; got {size}.")
        if not legend.is_binary:
            raise UsageError(
                "Scores of patches need one class on a background; "
                f"these are {legend.num_classes}: {', '.join(legend.names)}. Leave --patches out."
            )
        self._size = size
        self._counts: dict[str, npt.NDArray[np.int64]] = {}

    def add(
        self,
        target: npt.NDArray[Any],
        mask: npt.NDArray[Any],
        ignore_index: int,
        scores: npt.NDArray[Any] | None = None,
    ) -> None:
        """Count one image: ids (height, width), and where there are some, scores of class 1 of the same shape."""
        truth, valid = target == 1, target != ignore_index
        for name, predicted in (("from_mask", mask == 1), ("from_scores", scores)):
            if predicted is not None:
                before = self._counts.get(name, 0)
                self._counts[name] = before + patch_counts(truth, predicted, self._size, valid=valid)

    def scores(self) -> dict[str, Any]:
        """Scores of all patches together (pooled), predicted by the mean of the mask and by the mean of the scores."""
        return {
            "averaging": "pooled",
            "patch_size": self._size,
            "patch_share": PATCH_FRACTION,
            **{name: _scores(counts.tolist()) for name, counts in self._counts.items()},
        }


def patch_counts(
    truth: npt.NDArray[Any], predicted: npt.NDArray[Any], size: int, *, valid: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Count patches by true and predicted label: (2, 2), rows truth, columns prediction.

    A patch is of the class when the mean of its `valid` pixels is above a quarter, in the truth and in the prediction,
    which may be a mask or scores of 0..1. Patches without a valid pixel are left out; those cut by the right and lower
    edge count by what there is of them. Raises `DataError` when the shapes differ.
    Source: mask_to_submission.py of the EPFL machine learning course, which ETH's CIL course took over.
    """
    if truth.shape != predicted.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {predicted.shape}.")
    true, found = (patch_means(values, size, valid=valid) for values in (truth, predicted))
    counted = np.isfinite(true)
    pairs = 2 * (true > PATCH_FRACTION)[counted] + (found > PATCH_FRACTION)[counted]
    return np.bincount(pairs, minlength=4).reshape(2, 2)


def patch_means(values: npt.NDArray[Any], size: int, *, valid: npt.NDArray[np.bool_] | None = None) -> Values:
    """Means over patches of the valid pixels of (height, width); NaN for a patch without one."""
    weights = np.ones(values.shape) if valid is None else valid.astype(np.float64)
    sums, counts = (_patch_sums(part, size) for part in (values * weights, weights))
    means: Values = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def _patch_sums(values: Values, size: int) -> Values:
    starts = [np.arange(0, length, size) for length in values.shape]
    return np.asarray(np.add.reduceat(np.add.reduceat(values, starts[0], axis=0), starts[1], axis=1))


def _scores(counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    (right_without, false_alarms), (missed, hits) = counts
    patches = hits + missed + false_alarms + right_without
    return {
        "f1": _share(2 * hits, 2 * hits + false_alarms + missed),
        "accuracy": _share(hits + right_without, patches),
        "precision": _share(hits, hits + false_alarms),
        "recall": _share(hits, hits + missed),
        "patches": patches,
        "true_patches": hits + missed,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


# Scores that are counted on request, beside those of the confusion matrix.

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

"""Scores on request next to those of the confusion matrix: of lines, of outlines, and of square patches.

Patches are how the EPFL and ETH road challenges count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.arrays import Bools, Floats, Ids, Ints, Probabilities
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
"""A patch is of the class when the mean of its pixels is above this."""
EXTRA_SCORES = ("roads", "boundary", "patches")
"""The names of the scores that are counted on request."""


class PatchCounts:
    """Right and wrong patches, summed over the images added.

    Args:
        legend: One class on a background.
        size: Side of a patch in pixels.

    Raises:
        UsageError: The legend is another, or the size is below 1.
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
        self._counts: dict[str, Ints] = {}

    def add(self, truth: Ids, prediction: Ids, ignore_index: int, probabilities: Probabilities | None = None) -> None:
        """Count one image.

        Args:
            truth: True class ids (height, width).
            prediction: Predicted class ids (height, width).
            ignore_index: Pixels with this true id are left out.
            probabilities: Probabilities of class 1 (height, width), if they are known.
        """
        true, valid = truth == 1, truth != ignore_index
        for name, predicted in (("from_mask", prediction == 1), ("from_probabilities", probabilities)):
            if predicted is not None:
                before = self._counts.get(name, 0)
                self._counts[name] = before + patch_counts(true, predicted, self._size, valid=valid)

    def scores(self) -> dict[str, Any]:
        """Score all patches together (pooled).

        Returns:
            `from_mask`, the scores of patches predicted by the mean of the mask, and `from_probabilities` where these
            were added: `f1`, `accuracy`, `precision`, `recall` (0 to 1, NaN for one that does not exist), `patches` and
            `true_patches`; `patch_size` and `patch_fraction`.
        """
        scores: dict[str, Any] = {
            "averaging": "pooled",
            "patch_size": self._size,
            "patch_fraction": PATCH_FRACTION,
        }
        for name, counts in self._counts.items():
            (right_without, false_alarms), (missed, hits) = counts.tolist()
            patches = hits + missed + false_alarms + right_without
            scores[name] = {
                "f1": _fraction(2 * hits, 2 * hits + false_alarms + missed),
                "accuracy": _fraction(hits + right_without, patches),
                "precision": _fraction(hits, hits + false_alarms),
                "recall": _fraction(hits, hits + missed),
                "patches": patches,
                "true_patches": hits + missed,
            }
        return scores


def patch_counts(truth: Bools, predicted: Bools | Probabilities, size: int, *, valid: Bools | None = None) -> Ints:
    """Count patches by true and predicted label.

    A patch is of the class when the mean of its valid pixels is above a quarter. Patches without a valid pixel are left
    out; those cut by the right and lower edge count by their remaining pixels.

    Args:
        truth: True pixels of the class (height, width).
        predicted: Predicted pixels of the class, or probabilities of it (height, width).
        size: Side of a patch in pixels.
        valid: Pixels that count (height, width); all by default.

    Returns:
        Numbers of patches (2, 2): rows truth, columns prediction.

    Raises:
        DataError: The shapes differ.

    Source: mask_to_submission.py of the EPFL machine learning course, which ETH's CIL course took over.
    """
    if truth.shape != predicted.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {predicted.shape}.")
    true, found = (patch_means(values, size, valid=valid) for values in (truth, predicted))
    counted = np.isfinite(true)
    pairs = 2 * (true > PATCH_FRACTION)[counted] + (found > PATCH_FRACTION)[counted]
    return np.bincount(pairs, minlength=4).reshape(2, 2)


def patch_means(values: Bools | Probabilities, size: int, *, valid: Bools | None = None) -> Floats:
    """Average the valid pixels of each patch.

    Args:
        values: A mask or numbers (height, width).
        size: Side of a patch in pixels.
        valid: Pixels that count (height, width); all by default.

    Returns:
        Means (rows of patches, columns of patches); NaN for a patch without a valid pixel.
    """
    weights = np.ones(values.shape) if valid is None else valid.astype(np.float64)
    rows, cols = (np.arange(0, length, size) for length in values.shape)
    sums, counts = (
        np.asarray(np.add.reduceat(np.add.reduceat(part, rows, axis=0), cols, axis=1))
        for part in (values * weights, weights)
    )
    means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means


def _fraction(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


class ExtraCounts(Protocol):
    """Counts that images are added to and scores follow from."""

    def add(self, truth: Ids, prediction: Ids, ignore_index: int, probabilities: Probabilities | None = None) -> None:
        """Count one image.

        Args:
            truth: True class ids (height, width).
            prediction: Predicted class ids (height, width).
            ignore_index: Pixels with this true id are left out.
            probabilities: Probabilities of class 1 (height, width), for one class on a background.
        """

    def scores(self) -> dict[str, Any]:
        """Return the scores of all images together, by their names."""


def extra_counts_for(
    legend: Legend, *, roads: bool = False, boundary: str | int | None = None, patches: int | None = None
) -> Mapping[str, ExtraCounts]:
    """Make the counts that are asked for; they start from nothing.

    Args:
        legend: The classes.
        roads: Ask for scores of lines (`RoadCounts`).
        boundary: Width of the margins of boundary IoU (`BoundaryCounts`), if it is asked for.
        patches: Side of the patches in pixels (`PatchCounts`), if they are asked for.

    Returns:
        The counts by the name of their block in the results.

    Raises:
        UsageError: One of them does not fit the legend, or makes no sense.
    """
    counts: dict[str, ExtraCounts] = {}
    if roads:
        counts["roads"] = road_counts_for(legend)
    if boundary is not None:
        counts["boundary"] = BoundaryCounts(legend, boundary)
    if patches is not None:
        counts["patches"] = PatchCounts(legend, patches)
    return counts

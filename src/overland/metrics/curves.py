"""Relaxed precision and recall at every threshold at once, and where both are equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, maximum_filter

from overland.errors import DataError
from overland.legend import IGNORE_INDEX

__all__ = [
    "RelaxedCurve",
    "ThresholdCurve",
    "pixels_near",
    "relaxed_counts",
]


# The score of every threshold at once, in constant memory.

Values = npt.NDArray[np.float64]


class ThresholdCurve:
    """Two histograms of scores, of class 1 and of the rest, from which the IoU at each threshold follows.

    The thresholds are 0, 1/bins, 2/bins, ...; at these the result is exact for a mask of `scores >= threshold`.
    """

    def __init__(self, bins: int = 1024) -> None:
        self.thresholds: Values = np.arange(bins) / bins
        self._counts = np.zeros((2, bins), dtype=np.int64)

    def add(self, scores: npt.NDArray[Any], target: npt.NDArray[Any], ignore_index: int = IGNORE_INDEX) -> None:
        """Count the pixels of one image: scores in 0..1 and ids, of one shape; `ignore_index` is left out.

        Raises `DataError` when the shapes differ or a score is outside 0..1.
        """
        if scores.shape != target.shape:
            raise DataError(f"Scores and truth must have one shape; got {scores.shape} and {target.shape}.")
        labelled = target != ignore_index
        values, positive = scores[labelled], target[labelled] == 1
        if values.size and not 0 <= values.min() <= values.max() <= 1:
            raise DataError(
                f"Scores must be within 0..1; got {values.min():.4g} to {values.max():.4g}. Are they logits?"
            )
        bins = self._counts.shape[1]
        index = np.minimum((values * bins).astype(np.int64), bins - 1)
        for kind in (0, 1):
            self._counts[kind] += np.bincount(index[positive == kind], minlength=bins)

    @property
    def has_positives(self) -> bool:
        """Whether class 1 occurred in the truth."""
        return bool(self._counts[1].any())

    def iou(self) -> Values:
        """Pooled IoU of class 1 at each of `thresholds`; NaN where nothing is true and nothing predicted."""
        false_alarms, hits = self._at_least()
        union = self._counts[1].sum() + false_alarms
        return _ratio(hits, union)

    def precision_recall(self) -> tuple[Values, Values]:
        """Pooled precision and recall of class 1 at each of `thresholds`."""
        false_alarms, hits = self._at_least()
        positives = np.full_like(hits, self._counts[1].sum())
        return _ratio(hits, hits + false_alarms), _ratio(hits, positives)

    def confusion(self, threshold: float) -> npt.NDArray[np.int64]:
        """The confusion matrix (truth, prediction) at one of `thresholds`."""
        false_alarms, hits = (int(counts[int(threshold * len(self.thresholds))]) for counts in self._at_least())
        rest, positives = (int(counts.sum()) for counts in self._counts)
        return np.array([[rest - false_alarms, false_alarms], [positives - hits, hits]], np.int64)

    def best(self) -> tuple[float, float]:
        """The threshold with the largest IoU and that IoU; of equals, the one nearest to 0.5.

        Raises `DataError` when class 1 never occurred, since then nothing says which threshold is better.
        """
        if not self._counts[1].any():
            raise DataError("No threshold can be chosen: class 1 does not occur in the truth. Use images that show it.")
        iou = self.iou()
        best = np.flatnonzero(iou == np.nanmax(iou))
        index = best[np.abs(self.thresholds[best] - 0.5).argmin()]
        return float(self.thresholds[index]), float(iou[index])

    def _at_least(self) -> tuple[Values, Values]:
        from_above = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
        return from_above[0], from_above[1]


def _ratio(above: Values, below: Values) -> Values:
    ratio: Values = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


# Relaxed precision and recall: a road pixel is right when the other mask has one nearby.

Mask = npt.NDArray[np.bool_]


def relaxed_counts(
    truth: Mask, prediction: Mask, *, buffer: float = 3.0, valid: Mask | None = None
) -> npt.NDArray[np.int64]:
    """Count what relaxed precision and recall are made of, so that images can be added up.

    Returns [predicted pixels within `buffer` pixels of a true one, predicted pixels, true pixels within `buffer` of a
    predicted one, true pixels], all among `valid` pixels: precision is the first through the second, recall the third
    through the fourth. Raises `DataError` when the shapes differ.
    Source: Mnih and Hinton, 2010; Mnih, 2013, with a buffer of 3 pixels of 1 m.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    right, found = prediction & pixels_near(truth, buffer), truth & pixels_near(prediction, buffer)
    return np.array([right.sum(), prediction.sum(), found.sum(), truth.sum()], dtype=np.int64)


def pixels_near(mask: Mask, distance: float) -> Mask:
    """Pixels no farther than `distance` pixels from one of the mask, centre to centre."""
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask) <= distance)


_PREDICTED, _RIGHT, _FOUND = range(3)


class RelaxedCurve:
    """Three histograms of scores from which `relaxed_counts` follows at each threshold, in constant memory.

    A true pixel is found from the highest score within `buffer` pixels on, so one image needs one filter for all
    thresholds; at 0, 1/bins, 2/bins, ... the result is exact for a mask of `scores >= threshold`.
    """

    def __init__(self, buffer: float = 3.0, bins: int = 1024) -> None:
        self.thresholds: Values = np.arange(bins) / bins
        self.buffer = buffer
        self._counts = np.zeros((3, bins), dtype=np.int64)
        self._true = 0

    def add(self, scores: npt.NDArray[np.floating], truth: Mask, valid: Mask | None = None) -> None:
        """Count one image: scores of 0..1 and the truth, (height, width); only `valid` pixels count.

        Raises `DataError` when the shapes differ or a score is outside 0..1.
        """
        if scores.shape != truth.shape:
            raise DataError(f"Scores and truth must have one shape; got {scores.shape} and {truth.shape}.")
        valid = np.ones(truth.shape, bool) if valid is None else valid
        truth = truth & valid
        seen = scores[valid]
        if seen.size and not 0 <= seen.min() <= seen.max() <= 1:
            raise DataError(f"Scores must be within 0..1; got {seen.min():.4g} to {seen.max():.4g}. Are they logits?")
        # Below every threshold, so that what has no label finds nothing.
        known = np.where(valid, scores, -1)
        highest = maximum_filter(known, footprint=_disk(self.buffer), mode="constant", cval=-1)
        self._counts[_PREDICTED] += self._histogram(seen)
        self._counts[_RIGHT] += self._histogram(scores[valid & pixels_near(truth, self.buffer)])
        self._counts[_FOUND] += self._histogram(highest[truth])
        self._true += int(truth.sum())

    def precision_recall(self) -> tuple[Values, Values]:
        """Pooled relaxed precision and recall at each of `thresholds`; NaN where nothing is predicted, or true."""
        predicted, right, found = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
        return _ratio(right, predicted), _ratio(found, np.full_like(found, self._true))

    def break_even(self) -> tuple[float, float]:
        """Where relaxed precision equals recall: that value and its threshold, between two thresholds by a line.

        Where that is so at several thresholds the highest value is taken; NaN where it never is.
        Source: Mnih and Hinton, 2010.
        """
        precision, recall = self.precision_recall()
        gap = precision - recall
        points = [(float(recall[index]), float(self.thresholds[index])) for index in np.flatnonzero(gap == 0)]
        for index in np.flatnonzero(gap[:-1] * gap[1:] < 0).tolist():
            share = float(gap[index] / (gap[index] - gap[index + 1]))
            points.append((_between(recall, index, share), _between(self.thresholds, index, share)))
        return max(points, default=(math.nan, math.nan))

    def _histogram(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        bins = len(self.thresholds)
        return np.bincount(np.minimum((scores * bins).astype(np.int64), bins - 1), minlength=bins)


def _disk(radius: float) -> Mask:
    reach = int(radius)
    rows, cols = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(rows**2 + cols**2 <= radius**2)


def _between(values: Values, index: int, share: float) -> float:
    return float(values[index] + share * (values[index + 1] - values[index]))

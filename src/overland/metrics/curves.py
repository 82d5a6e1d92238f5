"""Relaxed precision and recall at every threshold at once, and where both are equal."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from overland.errors import DataError
from overland.metrics.relaxed import pixels_near

__all__ = ["RelaxedCurve"]

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

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


def _ratio(above: Values, below: Values) -> Values:
    ratio: Values = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio

"""Scores at every threshold at once, in constant memory: IoU, precision, recall, and their relaxed forms for lines."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum_filter

from overland.errors import DataError
from overland.legend import IGNORE_INDEX
from overland.metrics.arrays import Bools, Floats, Ids, Ints, Probabilities

__all__ = [
    "RelaxedCurve",
    "ThresholdCurve",
    "pixels_near",
    "relaxed_counts",
]


_PREDICTED, _RIGHT, _FOUND = range(3)


class ThresholdCurve:
    """Two histograms of probabilities, of class 1 and of the rest, from which scores at each threshold follow.

    Args:
        bins: Number of thresholds: 0, 1/bins, 2/bins, ... At these the result is exact for a mask of
            `probabilities >= threshold`.

    Attributes:
        thresholds: The thresholds (bins,).
    """

    def __init__(self, bins: int = 1024) -> None:
        self.thresholds: Floats = np.arange(bins) / bins
        self._counts = np.zeros((2, bins), dtype=np.int64)

    def add(self, probabilities: Probabilities, truth: Ids, ignore_index: int = IGNORE_INDEX) -> None:
        """Count the pixels of one image.

        Args:
            probabilities: Probabilities of class 1, 0 to 1, of any shape.
            truth: True class ids of the same shape.
            ignore_index: Pixels with this true id are left out.

        Raises:
            DataError: The shapes differ, or a probability is outside 0 to 1.
        """
        if probabilities.shape != truth.shape:
            raise DataError(
                f"Probabilities and truth must have one shape; got {probabilities.shape} and {truth.shape}."
            )
        labelled = truth != ignore_index
        values, positive = probabilities[labelled], truth[labelled] == 1
        _check_range(values)
        bins = self._counts.shape[1]
        index = np.minimum((values * bins).astype(np.int64), bins - 1)
        for kind in (0, 1):
            self._counts[kind] += np.bincount(index[positive == kind], minlength=bins)

    @property
    def has_positives(self) -> bool:
        """True when class 1 occurred in the truth."""
        return bool(self._counts[1].any())

    def iou(self) -> Floats:
        """Return the pooled IoU of class 1 at each threshold (bins,); NaN where nothing is true or predicted."""
        false_alarms, hits = self._at_least()
        union = self._counts[1].sum() + false_alarms
        return _ratio(hits, union)

    def precision_recall(self) -> tuple[Floats, Floats]:
        """Return the pooled precision and recall of class 1 at each threshold, (bins,) each."""
        false_alarms, hits = self._at_least()
        positives = np.full_like(hits, self._counts[1].sum())
        return _ratio(hits, hits + false_alarms), _ratio(hits, positives)

    def confusion(self, threshold: float) -> Ints:
        """Return the confusion matrix at a threshold.

        Args:
            threshold: One of the thresholds.

        Returns:
            Numbers of pixels (2, 2): rows truth, columns prediction.
        """
        false_alarms, hits = (int(counts[int(threshold * len(self.thresholds))]) for counts in self._at_least())
        rest, positives = (int(counts.sum()) for counts in self._counts)
        return np.array([[rest - false_alarms, false_alarms], [positives - hits, hits]], np.int64)

    def best(self) -> tuple[float, float]:
        """Find the best threshold.

        Returns:
            The threshold with the largest IoU, of equals the one nearest to 0.5, and that IoU.

        Raises:
            DataError: Class 1 never occurred, so that nothing says which threshold is better.
        """
        if not self._counts[1].any():
            raise DataError("No threshold can be chosen: class 1 does not occur in the truth. Use images that show it.")
        iou = self.iou()
        best = np.flatnonzero(iou == np.nanmax(iou))
        index = best[np.abs(self.thresholds[best] - 0.5).argmin()]
        return float(self.thresholds[index]), float(iou[index])

    def _at_least(self) -> tuple[Floats, Floats]:
        from_above = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
        return from_above[0], from_above[1]


def _check_range(values: Probabilities) -> None:
    if values.size and not 0 <= values.min() <= values.max() <= 1:
        raise DataError(
            f"Probabilities must be within 0 to 1; got {values.min():.4g} to {values.max():.4g}. Are they logits?"
        )


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def relaxed_counts(truth: Bools, prediction: Bools, *, buffer: float = 3.0, valid: Bools | None = None) -> Ints:
    """Count the pixels that relaxed precision and recall are made of, so that images can be added up.

    A road pixel is right when the other mask has one nearby.

    Args:
        truth: True road pixels (height, width).
        prediction: Predicted road pixels (height, width).
        buffer: Largest distance in pixels, centre to centre.
        valid: Pixels that count (height, width); all by default.

    Returns:
        Four numbers: predicted pixels near a true one, predicted pixels, true pixels near a predicted one, true pixels.
        Precision is the first through the second, recall the third through the fourth.

    Raises:
        DataError: The shapes differ.

    Source: Mnih and Hinton 2010, Learning to detect roads in high-resolution aerial images, ECCV; Mnih 2013, with a
        buffer of 3 pixels of 1 m.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    right, found = prediction & pixels_near(truth, buffer), truth & pixels_near(prediction, buffer)
    return np.array([right.sum(), prediction.sum(), found.sum(), truth.sum()], dtype=np.int64)


def pixels_near(mask: Bools, distance: float) -> Bools:
    """Find pixels that are near a mask.

    Args:
        mask: The mask (height, width).
        distance: Largest distance in pixels, centre to centre.

    Returns:
        Pixels no farther than that from one of the mask (height, width).
    """
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask) <= distance)


class RelaxedCurve:
    """Three histograms of probabilities from which relaxed precision and recall at each threshold follow.

    A true pixel is found from the highest probability within the buffer on, so one image needs one filter for all
    thresholds.

    Args:
        buffer: As in `relaxed_counts`, in pixels.
        bins: Number of thresholds: 0, 1/bins, 2/bins, ... At these the result is exact for a mask of
            `probabilities >= threshold`.

    Attributes:
        thresholds: The thresholds (bins,).
        buffer: The buffer in pixels.
    """

    def __init__(self, buffer: float = 3.0, bins: int = 1024) -> None:
        self.thresholds: Floats = np.arange(bins) / bins
        self.buffer = buffer
        self._counts = np.zeros((3, bins), dtype=np.int64)
        self._true = 0

    def add(self, probabilities: Probabilities, truth: Bools, valid: Bools | None = None) -> None:
        """Count one image.

        Args:
            probabilities: Probabilities of road (height, width), 0 to 1.
            truth: True road pixels (height, width).
            valid: Pixels that count (height, width); all by default.

        Raises:
            DataError: The shapes differ, or a probability is outside 0 to 1.
        """
        if probabilities.shape != truth.shape:
            raise DataError(
                f"Probabilities and truth must have one shape; got {probabilities.shape} and {truth.shape}."
            )
        valid = np.ones(truth.shape, bool) if valid is None else valid
        truth = truth & valid
        seen = probabilities[valid]
        _check_range(seen)
        # Below every threshold, so that ignored pixels find nothing.
        known = np.where(valid, probabilities, -1)
        reach = int(self.buffer)
        rows, cols = np.ogrid[-reach : reach + 1, -reach : reach + 1]
        disk = rows**2 + cols**2 <= self.buffer**2
        highest = maximum_filter(known, footprint=disk, mode="constant", cval=-1)
        self._counts[_PREDICTED] += self._histogram(seen)
        self._counts[_RIGHT] += self._histogram(probabilities[valid & pixels_near(truth, self.buffer)])
        self._counts[_FOUND] += self._histogram(highest[truth])
        self._true += int(truth.sum())

    def precision_recall(self) -> tuple[Floats, Floats]:
        """Return the pooled relaxed precision and recall at each threshold, (bins,) each; NaN where nothing counts."""
        predicted, right, found = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
        return _ratio(right, predicted), _ratio(found, np.full_like(found, self._true))

    def break_even(self) -> tuple[float, float]:
        """Find where relaxed precision equals recall, between two thresholds by a straight line.

        Returns:
            That value and its threshold; the highest value of several, and NaN where there is none.

        Source: Mnih and Hinton 2010.
        """
        precision, recall = self.precision_recall()
        gap = precision - recall
        points = [(float(recall[index]), float(self.thresholds[index])) for index in np.flatnonzero(gap == 0)]
        for index in np.flatnonzero(gap[:-1] * gap[1:] < 0).tolist():
            part = float(gap[index] / (gap[index] - gap[index + 1]))
            points.append((_between(recall, index, part), _between(self.thresholds, index, part)))
        return max(points, default=(math.nan, math.nan))

    def _histogram(self, probabilities: Probabilities) -> Ints:
        bins = len(self.thresholds)
        return np.bincount(np.minimum((probabilities * bins).astype(np.int64), bins - 1), minlength=bins)


def _between(values: Floats, index: int, part: float) -> float:
    return float(values[index] + part * (values[index + 1] - values[index]))

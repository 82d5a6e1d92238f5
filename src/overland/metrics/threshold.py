"""The score of every threshold at once, in constant memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import IGNORE_INDEX

__all__ = ["ThresholdCurve"]

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

"""Scores of road masks that look at lines instead of areas, added up over images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError
from overland.legend import Legend
from overland.metrics.cldice import cldice_counts
from overland.metrics.connectivity import connectivity_counts
from overland.metrics.relaxed import relaxed_counts
from overland.metrics.relaxed_curve import RelaxedCurve

__all__ = ["RoadCounts", "road_counts_for"]

_BUFFER = 3


def _zeros(size: int) -> npt.NDArray[np.int64]:
    return np.zeros(size, dtype=np.int64)


@dataclass
class RoadCounts:
    """Counts of relaxed precision and recall (3 pixels), clDice and connectivity, summed over the images added.

    `curve` has counts once scores were added.
    """

    relaxed: npt.NDArray[np.int64] = field(default_factory=lambda: _zeros(4))
    cldice: npt.NDArray[np.int64] = field(default_factory=lambda: _zeros(4))
    connectivity: npt.NDArray[np.int64] = field(default_factory=lambda: _zeros(5))
    curve: RelaxedCurve | None = None

    def add(
        self,
        target: npt.NDArray[Any],
        mask: npt.NDArray[Any],
        ignore_index: int,
        scores: npt.NDArray[Any] | None = None,
    ) -> None:
        """Count one image: class ids (height, width) where 1 is road; targets of `ignore_index` are left out.

        With `scores` of road, of the same shape, the break-even of relaxed precision and recall is known as well.
        """
        truth, prediction, valid = target == 1, mask == 1, target != ignore_index
        self.relaxed += relaxed_counts(truth, prediction, buffer=_BUFFER, valid=valid)
        self.cldice += cldice_counts(truth, prediction, valid=valid)
        self.connectivity += connectivity_counts(truth, prediction, buffer=_BUFFER, valid=valid)
        if scores is not None:
            self.curve = self.curve or RelaxedCurve(_BUFFER)
            self.curve.add(scores, truth, valid)

    def scores(self) -> dict[str, Any]:
        """Scores of all images together (pooled): every pixel, and every road, counts the same; NaN where undefined."""
        right, predicted, found, true = self.relaxed.tolist()
        components_truth, components_prediction, roads, broken, missed = self.connectivity.tolist()
        return {
            "averaging": "pooled",
            f"relaxed_precision_{_BUFFER}px": _share(right, predicted),
            f"relaxed_recall_{_BUFFER}px": _share(found, true),
            **self._break_even(),
            "cldice": _cldice(*self.cldice.tolist()),
            "components_truth": components_truth,
            "components_prediction": components_prediction,
            "roads": roads,
            "broken": _share(broken, roads),
            "missed": _share(missed, roads),
        }

    def _break_even(self) -> dict[str, float]:
        if self.curve is None:
            return {}
        names = f"relaxed_break_even_{_BUFFER}px", f"relaxed_break_even_{_BUFFER}px_threshold"
        return dict(zip(names, self.curve.break_even(), strict=True))


def road_counts_for(legend: Legend) -> RoadCounts:
    """Counts that start from nothing; raises `UsageError` when the legend is not one class on a background."""
    if not legend.is_binary:
        raise UsageError(
            "Scores of roads need one class on a background; "
            f"these are {legend.num_classes}: {', '.join(legend.names)}. Leave --roads out."
        )
    return RoadCounts()


def _cldice(predicted_in: int, predicted: int, true_in: int, true: int) -> float:
    if not (predicted and true):
        return 0.0 if predicted or true else float("nan")
    precision, sensitivity = predicted_in / predicted, true_in / true
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

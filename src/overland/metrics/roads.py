"""Scores of road masks that look at lines instead of areas, added up over images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, distance_transform_edt, label
from skimage.morphology import skeletonize

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.curves import RelaxedCurve, relaxed_counts

__all__ = [
    "RoadCounts",
    "cldice_counts",
    "connectivity_counts",
    "road_counts_for",
]


# Centreline Dice: do the centre lines of each mask lie in the other?

Mask = npt.NDArray[np.bool_]


def cldice_counts(truth: Mask, prediction: Mask, *, valid: Mask | None = None) -> npt.NDArray[np.int64]:
    """Count what clDice is made of, so that images can be added up.

    Returns [pixels of the prediction's skeleton in the truth, pixels of that skeleton, pixels of the truth's skeleton
    in the prediction, pixels of that skeleton], all among `valid` pixels. The first through the second is the topology
    precision, the third through the fourth the topology sensitivity, and clDice their harmonic mean.
    Raises `DataError` when the shapes differ.
    Source: Shit et al., clDice, 2021.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    predicted_line, true_line = skeletonize(prediction), skeletonize(truth)
    counts = [(predicted_line & truth).sum(), predicted_line.sum(), (true_line & prediction).sum(), true_line.sum()]
    return np.array(counts, dtype=np.int64)


# Connectivity of road masks: connected components, and roads that the prediction breaks or misses.

_EIGHT = np.ones((3, 3), dtype=np.uint8)


def connectivity_counts(
    truth: Mask,
    prediction: Mask,
    *,
    buffer: float = 3.0,
    min_road: int = 10,
    valid: Mask | None = None,
) -> npt.NDArray[np.int64]:
    """Count components and broken roads, so that images can be added up.

    Returns [components of the truth, components of the prediction, roads, broken roads, missed roads]. Components are
    connected over corners as well. A road is a part of the truth's skeleton between junctions of at least `min_road`
    pixels; those of its pixels within `buffer` pixels of the prediction are found, by the component that is nearest.
    A road is missed when none of its pixels is found, and broken when those found lie in several parts or belong to
    several components: who follows it has to leave the prediction on the way. A road found only in part, but in one
    part, is neither. Pixels that are not `valid` belong to no mask. Raises `DataError` when the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    components, count = label(prediction, _EIGHT)
    roads, sizes = _roads(truth)
    counted = np.flatnonzero(sizes >= max(min_road, 1))
    parts = _parts_found(roads, components, buffer)[counted]
    return np.array([label(truth, _EIGHT)[1], count, len(counted), (parts > 1).sum(), (parts == 0).sum()], np.int64)


def _roads(truth: Mask) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Skeleton pixels numbered from 1 by road, 0 elsewhere, and the pixels of each number."""
    skeleton = skeletonize(truth)
    neighbors = convolve(skeleton.astype(np.uint8), _EIGHT, mode="constant") - skeleton
    roads, _ = label(skeleton & (neighbors <= 2), _EIGHT)
    sizes = np.bincount(roads.ravel())
    sizes[0] = 0
    return roads, sizes


def _parts_found(roads: npt.NDArray[Any], components: npt.NDArray[Any], buffer: float) -> npt.NDArray[np.int64]:
    """How many parts of each road are found, each by one component and without a gap."""
    numbers = int(roads.max()) + 1
    if not components.any():
        return np.zeros(numbers, dtype=np.int64)
    distance, nearest = distance_transform_edt(components == 0, return_indices=True)
    found = (roads > 0) & (distance <= buffer)
    by = components[tuple(nearest[:, found])]
    in_place, _ = label(found, _EIGHT)
    parts = np.unique(np.stack([roads[found], by, in_place[found]]), axis=1)
    return np.bincount(parts[0], minlength=numbers).astype(np.int64)


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

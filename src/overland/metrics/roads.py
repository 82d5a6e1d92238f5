"""Scores of lines in road masks, added up over images: clDice, relaxed precision and recall, broken roads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.ndimage import convolve, distance_transform_edt, label
from skimage.morphology import skeletonize

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.arrays import Bools, Ids, Ints, Probabilities
from overland.metrics.curves import RelaxedCurve, relaxed_counts

__all__ = [
    "RoadCounts",
    "cldice_counts",
    "connectivity_counts",
    "road_counts_for",
]


_EIGHT = np.ones((3, 3), dtype=np.uint8)
_BUFFER = 3


def cldice_counts(truth: Bools, prediction: Bools, *, valid: Bools | None = None) -> Ints:
    """Count the pixels that centreline Dice is made of, so that images can be added up.

    Args:
        truth: True road pixels (height, width).
        prediction: Predicted road pixels (height, width).
        valid: Pixels that count (height, width); all by default.

    Returns:
        Four numbers: pixels of the prediction's skeleton in the truth, pixels of that skeleton, pixels of the truth's
        skeleton in the prediction, pixels of that skeleton. The first through the second is the topology precision, the
        third through the fourth the topology sensitivity, and clDice their harmonic mean.

    Raises:
        DataError: The shapes differ.

    Source: Shit et al. 2021, clDice: a novel topology-preserving loss function for tubular structure segmentation,
        CVPR.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    predicted_line, true_line = skeletonize(prediction), skeletonize(truth)
    counts = [(predicted_line & truth).sum(), predicted_line.sum(), (true_line & prediction).sum(), true_line.sum()]
    return np.array(counts, dtype=np.int64)


def connectivity_counts(
    truth: Bools,
    prediction: Bools,
    *,
    buffer: float = 3.0,
    min_road: int = 10,
    valid: Bools | None = None,
) -> Ints:
    """Count components and broken roads, so that images can be added up.

    A road is a part of the truth's skeleton between junctions. Those of its pixels that are near the prediction are
    found, by the component that is nearest. A road is missed when none of its pixels is found, and broken when those
    found lie in several parts or belong to several components: who follows it has to leave the prediction on the way. A
    road found only in part, but in one part, is neither. Components are connected over corners as well.

    Args:
        truth: True road pixels (height, width).
        prediction: Predicted road pixels (height, width).
        buffer: Largest distance of a found pixel and the prediction, in pixels.
        min_road: Shorter parts of the skeleton are no roads, in pixels.
        valid: Pixels that count (height, width); all by default.

    Returns:
        Five numbers: components of the truth, components of the prediction, roads, broken roads, missed roads.

    Raises:
        DataError: The shapes differ.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    components, count = label(prediction, _EIGHT)
    # Without its junctions the skeleton falls into roads.
    skeleton = skeletonize(truth)
    neighbors = convolve(skeleton.astype(np.uint8), _EIGHT, mode="constant") - skeleton
    roads, _ = label(skeleton & (neighbors <= 2), _EIGHT)
    sizes = np.bincount(roads.ravel())
    sizes[0] = 0
    counted = np.flatnonzero(sizes >= max(min_road, 1))
    parts = _parts_found(roads, components, buffer)[counted]
    return np.array([label(truth, _EIGHT)[1], count, len(counted), (parts > 1).sum(), (parts == 0).sum()], np.int64)


def _parts_found(roads: Ids, components: Ids, buffer: float) -> Ints:
    """Count the parts of each road that are found, each by one component and without a gap."""
    numbers = int(roads.max()) + 1
    if not components.any():
        return np.zeros(numbers, dtype=np.int64)
    distance, nearest = distance_transform_edt(components == 0, return_indices=True)
    found = (roads > 0) & (distance <= buffer)
    by = components[tuple(nearest[:, found])]
    in_place, _ = label(found, _EIGHT)
    parts = np.unique(np.stack([roads[found], by, in_place[found]]), axis=1)
    return np.bincount(parts[0], minlength=numbers).astype(np.int64)


@dataclass
class RoadCounts:
    """Counts of relaxed precision and recall (3 pixels), clDice and connectivity, summed over the images added.

    Attributes:
        relaxed: The numbers of `relaxed_counts` (4,).
        cldice: The numbers of `cldice_counts` (4,).
        connectivity: The numbers of `connectivity_counts` (5,).
        curve: Relaxed scores at every threshold, once probabilities were added.
    """

    relaxed: Ints = field(default_factory=lambda: np.zeros(4, dtype=np.int64))
    cldice: Ints = field(default_factory=lambda: np.zeros(4, dtype=np.int64))
    connectivity: Ints = field(default_factory=lambda: np.zeros(5, dtype=np.int64))
    curve: RelaxedCurve | None = None

    def add(self, truth: Ids, prediction: Ids, ignore_index: int, probabilities: Probabilities | None = None) -> None:
        """Count one image.

        Args:
            truth: True class ids (height, width), where 1 is road.
            prediction: Predicted class ids (height, width).
            ignore_index: Pixels with this true id are left out.
            probabilities: Probabilities of road (height, width); with them the break-even of relaxed precision and
                recall is known as well.
        """
        true, found, valid = truth == 1, prediction == 1, truth != ignore_index
        self.relaxed += relaxed_counts(true, found, buffer=_BUFFER, valid=valid)
        self.cldice += cldice_counts(true, found, valid=valid)
        self.connectivity += connectivity_counts(true, found, buffer=_BUFFER, valid=valid)
        if probabilities is not None:
            self.curve = self.curve or RelaxedCurve(_BUFFER)
            self.curve.add(probabilities, true, valid)

    def scores(self) -> dict[str, Any]:
        """Score all images together (pooled): every pixel, and every road, counts the same.

        Returns:
            `relaxed_precision_3px`, `relaxed_recall_3px`, `cldice`, the fractions of roads that are `broken` and
            `missed` (0 to 1, NaN for one that does not exist), the numbers of components and `roads`, and with
            probabilities `relaxed_break_even_3px` with its threshold.
        """
        right, predicted, found, true = self.relaxed.tolist()
        predicted_in, predicted_line, true_in, true_line = self.cldice.tolist()
        precision, sensitivity = _fraction(predicted_in, predicted_line), _fraction(true_in, true_line)
        cldice = 0.0 if predicted_line or true_line else float("nan")
        if predicted_line and true_line and precision + sensitivity:
            cldice = 2 * precision * sensitivity / (precision + sensitivity)
        break_even = {}
        if self.curve is not None:
            names = f"relaxed_break_even_{_BUFFER}px", f"relaxed_break_even_{_BUFFER}px_threshold"
            break_even = dict(zip(names, self.curve.break_even(), strict=True))
        components_truth, components_prediction, roads, broken, missed = self.connectivity.tolist()
        return {
            "averaging": "pooled",
            f"relaxed_precision_{_BUFFER}px": _fraction(right, predicted),
            f"relaxed_recall_{_BUFFER}px": _fraction(found, true),
            **break_even,
            "cldice": cldice,
            "components_truth": components_truth,
            "components_prediction": components_prediction,
            "roads": roads,
            "broken": _fraction(broken, roads),
            "missed": _fraction(missed, roads),
        }


def road_counts_for(legend: Legend) -> RoadCounts:
    """Make counts of roads that start from nothing.

    Args:
        legend: One class on a background.

    Raises:
        UsageError: The legend is another.
    """
    if not legend.is_binary:
        raise UsageError(
            "Scores of roads need one class on a background; "
            f"these are {legend.num_classes}: {', '.join(legend.names)}. Leave --roads out."
        )
    return RoadCounts()


def _fraction(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

"""Agreement: how far the scores of a quantised network are from those of the network it was made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_scores
from overland.metrics import confusion_matrix

__all__ = ["Agreement"]

Scores = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]
_Counts = npt.NDArray[np.float64]


class Agreement:
    """Compares two sets of scores of the same images, one by one, and sums up what differs.

    The change of IoU is measured on labels where there are any. Without labels it is estimated: the first network's
    scores are taken for the probabilities that they stand for, and each mask gets the IoU that is then expected of it.
    """

    def __init__(self, bundle: ModelBundle) -> None:
        self._bundle = bundle
        self._images = self._pixels = self._same = 0
        self._difference = self._largest = 0.0
        classes = bundle.legend.num_classes
        # Rows truth, columns prediction: of the first network, of the second, and of the second against the first.
        self._first, self._second, self._between = np.zeros((3, classes, classes))

    def add(self, first: Scores, second: Scores, valid: Valid, target: npt.NDArray[np.uint8] | None = None) -> None:
        """Add an image: two arrays (scores, height, width), where it holds data, and its class ids if it has labels."""
        masks = [mask_from_scores(self._bundle, scores) for scores in (first, second)]
        self._images += 1
        self._pixels += int(valid.sum())
        self._same += int((masks[0] == masks[1])[valid].sum())
        difference = np.abs(first - second).max(axis=0)[valid]
        self._difference += float(difference.sum(dtype=np.float64))
        self._largest = max(self._largest, float(difference.max(initial=0)))
        self._between += self._counted(masks[0], masks[1], valid)
        for counts, mask in zip((self._first, self._second), masks, strict=True):
            counts += self._expected(first, mask, valid) if target is None else self._counted(target, mask, valid)

    def report(self) -> dict[str, Any]:
        """What was found, as JSON: agreement (share of pixels), differences of scores, IoU of both, change in points.

        `iou_*` is the IoU of class 1 with a binary legend, mean IoU otherwise. None stands for what does not exist.
        """
        names = self._bundle.legend.names
        first, second = _ious(self._first), _ious(self._second)
        headlines = self._headline(first), self._headline(second)
        return {
            "images": self._images,
            "pixels": self._pixels,
            "agreement": self._same / max(1, self._pixels),
            "mean_difference": self._difference / max(1, self._pixels),
            "largest_difference": self._largest,
            "iou_fp32": _known(headlines[0]),
            "iou_int8": _known(headlines[1]),
            "iou_change_points": _known(100 * (headlines[1] - headlines[0])),
            "class_iou_change_points": dict(zip(names, map(_known, 100 * (second - first)), strict=True)),
            "class_iou_with_fp32": dict(zip(names, map(_known, _ious(self._between)), strict=True)),
        }

    def _counted(self, target: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], valid: Valid) -> _Counts:
        return confusion_matrix(target[valid], mask[valid], self._bundle.legend.num_classes).astype(np.float64)

    def _expected(self, scores: Scores, mask: npt.NDArray[np.uint8], valid: Valid) -> _Counts:
        likely = np.concatenate([1 - scores, scores]) if self._bundle.num_scores == 1 else scores
        classes = range(self._bundle.legend.num_classes)
        return np.stack([likely[:, valid & (mask == index)].sum(axis=1, dtype=np.float64) for index in classes], axis=1)

    def _headline(self, ious: _Counts) -> float:
        if self._bundle.legend.is_binary:
            return float(ious[1])
        found = ious[np.isfinite(ious)]
        return float(found.mean()) if found.size else math.nan


def _ious(counts: _Counts) -> _Counts:
    either = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    ious = np.full(len(counts), np.nan)
    np.divide(np.diag(counts), either, out=ious, where=either > 0)
    return ious


def _known(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None

"""Scores that follow from one confusion matrix.

A score whose denominator is zero does not exist: it is NaN, and a mean leaves it out. So a class that occurs neither in
the truth nor in the prediction counts as neither 0 nor 1, and means over classes are taken over those in the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import Legend
from overland.metrics.confusion import Confusion

__all__ = ["CLASS_SCORES", "UNKNOWN_NAMES", "scores_from_confusion"]

CLASS_SCORES = ("iou", "f1", "precision", "recall", "accuracy")
# Classes of pixels of which nobody could say what they are: a model gains nothing by telling them.
UNKNOWN_NAMES = {"unknown", "void", "unlabelled", "unlabeled", "ignore"}

Values = npt.NDArray[np.float64]


def scores_from_confusion(confusion: Confusion, legend: Legend) -> dict[str, Any]:
    """Scores of each class and of all together, as fractions of 1.

    `classes` maps each name to `iou`, `f1` (which is Dice), `precision`, `recall`, `accuracy` (of that class against
    the rest) and `support` (true pixels). `miou` and `f1_macro` are means over the classes that occur in the truth,
    `miou_without_background` the same without the background, `pixel_accuracy` the share of pixels that are right.
    Where a class is called unknown, void or the like, `miou_without_unknown` is the mean without it.
    With a binary legend the scores of class 1 stand at the top level as well. What does not exist is NaN.
    Raises `DataError` when the matrix does not fit the legend.
    """
    if confusion.shape != (legend.num_classes, legend.num_classes):
        raise DataError(f"A legend of {legend.num_classes} classes got a confusion matrix of shape {confusion.shape}.")
    columns = _class_scores(confusion)
    support = confusion.sum(axis=1)
    classes: dict[str, dict[str, float | int]] = {
        name: {key: float(columns[key][index]) for key in CLASS_SCORES} | {"support": int(support[index])}
        for index, name in enumerate(legend.names)
    }
    present = [index for index in range(legend.num_classes) if support[index]]
    of_interest = [index for index in present if index != legend.background]
    scores: dict[str, Any] = {
        "miou": _mean(columns["iou"], present),
        "miou_without_background": _mean(columns["iou"], of_interest),
        **_miou_without_unknown(columns["iou"], present, legend),
        "f1_macro": _mean(columns["f1"], present),
        "pixel_accuracy": _share(np.trace(confusion), confusion.sum()),
        "classes": classes,
    }
    if legend.is_binary:
        scores |= {key: classes[legend.names[1]][key] for key in CLASS_SCORES}
    return scores


def _miou_without_unknown(iou: Values, present: Sequence[int], legend: Legend) -> dict[str, float]:
    known = [name.lower() not in UNKNOWN_NAMES for name in legend.names]
    return {} if all(known) else {"miou_without_unknown": _mean(iou, [index for index in present if known[index]])}


def _class_scores(confusion: Confusion) -> dict[str, Values]:
    hits = np.diag(confusion).astype(np.float64)
    truth, predicted, total = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum()
    whole = np.full_like(hits, total)
    return {
        "iou": _ratio(hits, truth + predicted - hits),
        "f1": _ratio(2 * hits, truth + predicted),
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, truth),
        "accuracy": np.where(truth + predicted > 0, _ratio(total - truth - predicted + 2 * hits, whole), np.nan),
    }


def _ratio(above: Values, below: npt.NDArray[Any]) -> Values:
    ratio: Values = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: Values, indices: Sequence[int]) -> float:
    return float(values[list(indices)].mean()) if indices else float("nan")

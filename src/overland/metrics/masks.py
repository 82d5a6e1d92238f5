"""Scores of masks that follow from one confusion matrix: IoU, F1, precision, recall, accuracy, and their means.

A score whose denominator is zero does not exist: it is NaN, and a mean leaves it out. So a class that occurs neither in
the truth nor in the prediction counts as neither 0 nor 1. Means over classes are taken over those that occur in the
truth or in the prediction, as torchmetrics, scikit-learn and mmsegmentation take them: a class that is predicted where
it never is has an IoU of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend
from overland.metrics.arrays import Confusion, Floats, Ids

__all__ = [
    "CLASS_SCORES",
    "UNKNOWN_NAMES",
    "Confusion",
    "bootstrap_interval",
    "confusion_matrix",
    "headline_score",
    "image_scores",
    "scores_from_confusion",
    "summary_from_confusions",
]


CLASS_SCORES = ("iou", "f1", "precision", "recall", "accuracy")
"""The scores of each class."""
UNKNOWN_NAMES = {"unknown", "void", "unlabelled", "unlabeled", "ignore", "ignored"}
"""Names of classes of which nobody could say what they are: a model gains nothing by predicting them."""

_CONFIDENCE = 0.95
_MEANS = ("miou", "miou_without_background")


def confusion_matrix(truth: Ids, prediction: Ids, num_classes: int, ignore_index: int = IGNORE_INDEX) -> Confusion:
    """Count pixels by true and by predicted class.

    Args:
        truth: True class ids, whole numbers of any shape.
        prediction: Predicted class ids of the same shape.
        num_classes: Number of classes; ids are 0 to num_classes - 1.
        ignore_index: Pixels with this true id are left out.

    Returns:
        Numbers of pixels (num_classes, num_classes): rows truth, columns prediction.

    Raises:
        DataError: The shapes differ, or an id is no class.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    labelled = truth != ignore_index
    true, predicted = truth[labelled].astype(np.int64), prediction[labelled].astype(np.int64)
    _check_ids(true, num_classes, "The truth")
    _check_ids(predicted, num_classes, "The prediction")
    counts = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _check_ids(ids: Confusion, num_classes: int, name: str) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
        strange = np.unique(ids[(ids < 0) | (ids >= num_classes)])[:5].tolist()
        raise DataError(
            f"{name} holds the values {strange}, which are no class ids: those are 0 to {num_classes - 1}. "
            "Map file values to ids with label_mapping in the dataset YAML."
        )


def scores_from_confusion(confusion: Confusion, legend: Legend) -> dict[str, Any]:
    """Score each class and all together.

    Args:
        confusion: Numbers of pixels (classes, classes): rows truth, columns prediction.
        legend: The classes.

    Returns:
        `classes` with `iou`, `f1` (which is Dice), `precision`, `recall`, `accuracy` (of that class against the rest)
        and `support` (true pixels) of each class by its name; `miou` and `f1_macro`, means over the classes that occur
        in the truth or the prediction; `miou_without_background`, the same without the background; `pixel_accuracy`,
        the fraction of pixels that are right. Where a class is called unknown, void or the like,
        `miou_without_unknown` is the mean without it. With a binary legend the scores of class 1 stand at the top level
        as well. All are fractions of 1; NaN for a score that does not exist.

    Raises:
        DataError: The matrix does not fit the legend.
    """
    if confusion.shape != (legend.num_classes, legend.num_classes):
        raise DataError(f"A legend of {legend.num_classes} classes got a confusion matrix of shape {confusion.shape}.")
    hits = np.diag(confusion).astype(np.float64)
    support, predicted, total = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum()
    accuracy = _ratio(total - support - predicted + 2 * hits, np.full_like(hits, total))
    columns = {
        "iou": _ratio(hits, support + predicted - hits),
        "f1": _ratio(2 * hits, support + predicted),
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "accuracy": np.where(support + predicted > 0, accuracy, np.nan),
    }
    classes: dict[str, dict[str, float | int]] = {
        name: {key: float(columns[key][index]) for key in CLASS_SCORES} | {"support": int(support[index])}
        for index, name in enumerate(legend.names)
    }
    present = np.flatnonzero(support + predicted).tolist()
    of_interest = [index for index in present if index != legend.background]
    known = [name.lower() not in UNKNOWN_NAMES for name in legend.names]
    without_unknown = [index for index in present if known[index]]
    scores: dict[str, Any] = {
        "miou": _mean(columns["iou"], present),
        "miou_without_background": _mean(columns["iou"], of_interest),
        **({} if all(known) else {"miou_without_unknown": _mean(columns["iou"], without_unknown)}),
        "f1_macro": _mean(columns["f1"], present),
        "pixel_accuracy": float(np.trace(confusion) / confusion.sum()) if confusion.any() else float("nan"),
        "classes": classes,
    }
    if legend.is_binary:
        scores |= {key: classes[legend.names[1]][key] for key in CLASS_SCORES}
    return scores


def _ratio(above: Floats, below: npt.NDArray[Any]) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _mean(values: Floats, indices: Sequence[int]) -> float:
    return float(values[list(indices)].mean()) if indices else float("nan")


def bootstrap_interval(
    confusions: Confusion,
    statistic: Callable[[Confusion], float],
    *,
    rounds: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Estimate how far a pooled score could come out otherwise with other images of the same kind (bootstrap).

    Whole images are drawn again with replacement, since the pixels of one image are alike.

    Args:
        confusions: The confusion matrix of each image (images, classes, classes).
        statistic: The score of a confusion matrix; it gets the sum over the drawn images.
        rounds: Number of draws.
        confidence: The probability of the interval, between 0 and 1.
        seed: Seed of the draws.

    Returns:
        The lower and the upper end of the percentile interval; NaN with fewer than two images.

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.
    """
    count = len(confusions)
    if count < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(count, np.full(count, 1 / count), size=rounds)
    sums = np.tensordot(times_drawn, confusions, axes=1)
    values = np.array([statistic(confusion) for confusion in sums])
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def summary_from_confusions(confusions: Sequence[Confusion], legend: Legend, *, unit: str = "image") -> dict[str, Any]:
    """Score a model on a set of images: pooled, per image, and how sure.

    Args:
        confusions: The confusion matrix of each image (classes, classes).
        legend: The classes.
        unit: The word for what a matrix is of, such as image or block.

    Returns:
        `pooled`, the scores of the sum of all matrices, so that every pixel counts the same; `per_image`, means over
        images in which a score exists, so that every image counts the same; `headline`, the one number to quote,
        pooled, with its bootstrap interval over images; `confusion`, the sum: rows truth, columns prediction; and
        `images`, `unit`, `class_names`.
    """
    stack = np.stack(confusions) if confusions else np.zeros((0, legend.num_classes, legend.num_classes), np.int64)
    pooled = stack.sum(axis=0)
    every = [scores_from_confusion(confusion, legend) for confusion in stack]
    per_image: dict[str, Any] = {
        key: _mean_where_defined([scores[key] for scores in every])
        for key in dict.fromkeys((*_MEANS, _headline_key(legend), "pixel_accuracy"))
    }
    per_image["classes"] = {
        name: {key: _mean_where_defined([scores["classes"][name][key] for scores in every]) for key in CLASS_SCORES}
        for name in legend.names
    }
    if legend.is_binary:
        per_image |= per_image["classes"][legend.names[1]]
    low, high = bootstrap_interval(stack, lambda confusion: headline_score(confusion, legend), confidence=_CONFIDENCE)
    return {
        "images": len(stack),
        "unit": unit,
        "headline": {
            "key": _headline_key(legend),
            "averaging": "pooled",
            "class": legend.names[1] if legend.is_binary else None,
            "value": headline_score(pooled, legend),
            "low": low,
            "high": high,
            "confidence": _CONFIDENCE,
        },
        "pooled": scores_from_confusion(pooled, legend),
        "per_image": per_image,
        "class_names": list(legend.names),
        "confusion": pooled.tolist(),
    }


def headline_score(confusion: Confusion, legend: Legend) -> float:
    """Return the one number to quote.

    Args:
        confusion: Numbers of pixels (classes, classes): rows truth, columns prediction.
        legend: The classes.

    Returns:
        The IoU of class 1 with a binary legend, else the mean IoU, of known classes only; 0 to 1, or NaN.
    """
    return float(scores_from_confusion(confusion, legend)[_headline_key(legend)])


def image_scores(confusion: Confusion, legend: Legend) -> dict[str, float]:
    """Return the scores of one image in one flat row, for a table.

    Args:
        confusion: Numbers of pixels (classes, classes): rows truth, columns prediction.
        legend: The classes.

    Returns:
        `miou`, `pixel_accuracy`, then `iou/<class>`, `f1/<class>`, ... of each class.
    """
    scores = scores_from_confusion(confusion, legend)
    row = {"miou": scores["miou"], "pixel_accuracy": scores["pixel_accuracy"]}
    return row | {f"{key}/{name}": scores["classes"][name][key] for name in legend.names for key in CLASS_SCORES}


def _headline_key(legend: Legend) -> str:
    if legend.is_binary:
        return "iou"
    return "miou" if UNKNOWN_NAMES.isdisjoint(name.lower() for name in legend.names) else "miou_without_unknown"


def _mean_where_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")

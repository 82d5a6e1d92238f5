"""Scores that follow from one confusion matrix.

A score whose denominator is zero does not exist: it is NaN, and a mean leaves it out. So a class that occurs neither in
the truth nor in the prediction counts as neither 0 nor 1, and means over classes are taken over those in the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend

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


# The confusion matrix, from which every score of a mask follows.

Confusion = npt.NDArray[np.int64]


def confusion_matrix(
    target: npt.NDArray[Any], mask: npt.NDArray[Any], num_classes: int, ignore_index: int = IGNORE_INDEX
) -> Confusion:
    """Count pixels by true class (rows) and predicted class (columns).

    `target` and `mask` hold class ids and have one shape; pixels whose target is `ignore_index` are left out.
    Returns int64 (num_classes, num_classes). Raises `DataError` when the shapes differ or an id is no class.
    """
    if target.shape != mask.shape:
        raise DataError(f"Truth and prediction must have one shape; got {target.shape} and {mask.shape}.")
    labelled = target != ignore_index
    truth, predicted = target[labelled].astype(np.int64), mask[labelled].astype(np.int64)
    _check_ids(truth, num_classes, "The truth")
    _check_ids(predicted, num_classes, "The prediction")
    counts = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _check_ids(ids: npt.NDArray[np.int64], num_classes: int, what: str) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
        strange = np.unique(ids[(ids < 0) | (ids >= num_classes)])[:5].tolist()
        raise DataError(
            f"{what} holds the values {strange}, which are no class ids: those are 0 to {num_classes - 1}. "
            "Map file values to ids with label_mapping in the dataset YAML."
        )


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


# How far a score could have come out otherwise with other images of the same kind.


def bootstrap_interval(
    confusions: Confusion,
    statistic: Callable[[Confusion], float],
    *,
    rounds: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a pooled score, from drawing whole images again with replacement.

    `confusions` is (images, classes, classes); `statistic` takes the sum over the drawn images. Pixels of one image
    are alike, so images are what is drawn. NaN with fewer than two images.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
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


# What is said of a model on a set of images: pooled, per image, and how sure.

_CONFIDENCE = 0.95
_MEANS = ("miou", "miou_without_background")


def summary_from_confusions(confusions: Sequence[Confusion], legend: Legend, *, unit: str = "image") -> dict[str, Any]:
    """Scores of a model on a set of images, from one confusion matrix for each.

    `pooled` holds `scores_from_confusion` of the sum of all, so that every pixel counts the same. `per_image` holds
    means over images in which a score exists, so that every image counts the same. `headline` is the one number to
    quote, pooled, with its bootstrap interval over images. `confusion` is the sum: rows truth, columns prediction.
    """
    stack = np.stack(confusions) if confusions else np.zeros((0, legend.num_classes, legend.num_classes), np.int64)
    pooled = stack.sum(axis=0)
    return {
        "images": len(stack),
        "unit": unit,
        "headline": _headline(stack, pooled, legend),
        "pooled": scores_from_confusion(pooled, legend),
        "per_image": _per_image(stack, legend),
        "class_names": list(legend.names),
        "confusion": pooled.tolist(),
    }


def headline_score(confusion: Confusion, legend: Legend) -> float:
    """The one number to quote: IoU of class 1 with a binary legend, else the mean IoU, of known classes only."""
    return float(scores_from_confusion(confusion, legend)[_headline_key(legend)])


def image_scores(confusion: Confusion, legend: Legend) -> dict[str, float]:
    """The scores of one image in one flat row: `miou`, `pixel_accuracy`, then `iou/<class>`, `f1/<class>`, ..."""
    scores = scores_from_confusion(confusion, legend)
    row = {"miou": scores["miou"], "pixel_accuracy": scores["pixel_accuracy"]}
    return row | {f"{key}/{name}": scores["classes"][name][key] for name in legend.names for key in CLASS_SCORES}


def _headline_key(legend: Legend) -> str:
    if legend.is_binary:
        return "iou"
    return "miou" if UNKNOWN_NAMES.isdisjoint(name.lower() for name in legend.names) else "miou_without_unknown"


def _headline(stack: Confusion, pooled: Confusion, legend: Legend) -> dict[str, Any]:
    low, high = bootstrap_interval(stack, lambda confusion: headline_score(confusion, legend), confidence=_CONFIDENCE)
    return {
        "key": _headline_key(legend),
        "averaging": "pooled",
        "class": legend.names[1] if legend.is_binary else None,
        "value": headline_score(pooled, legend),
        "low": low,
        "high": high,
        "confidence": _CONFIDENCE,
    }


def _per_image(stack: Confusion, legend: Legend) -> dict[str, Any]:
    every = [scores_from_confusion(confusion, legend) for confusion in stack]
    summary: dict[str, Any] = {
        key: _mean_where_defined([scores[key] for scores in every])
        for key in dict.fromkeys((*_MEANS, _headline_key(legend), "pixel_accuracy"))
    }
    summary["classes"] = {
        name: {key: _mean_where_defined([scores["classes"][name][key] for scores in every]) for key in CLASS_SCORES}
        for name in legend.names
    }
    if legend.is_binary:
        summary |= summary["classes"][legend.names[1]]
    return summary


def _mean_where_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")

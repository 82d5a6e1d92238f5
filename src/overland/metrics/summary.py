"""What is said of a model on a set of images: pooled, per image, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from overland.legend import Legend
from overland.metrics.bootstrap import bootstrap_interval
from overland.metrics.confusion import Confusion
from overland.metrics.scores import CLASS_SCORES, UNKNOWN_NAMES, scores_from_confusion

__all__ = ["headline_score", "image_scores", "summary_from_confusions"]

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

"""Scores of masks (numpy only); `roads` scores lines in masks, `graphs` road graphs."""

from overland.metrics.curves import ThresholdCurve
from overland.metrics.masks import (
    bootstrap_interval,
    confusion_matrix,
    headline_score,
    image_scores,
    scores_from_confusion,
    summary_from_confusions,
)

__all__ = [
    "ThresholdCurve",
    "bootstrap_interval",
    "confusion_matrix",
    "headline_score",
    "image_scores",
    "scores_from_confusion",
    "summary_from_confusions",
]

"""Scores of masks, of lines in masks (`roads`) and of road graphs (`graphs`), and areas from samples; numpy only."""

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

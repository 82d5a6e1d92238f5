"""Scores of masks (numpy only); `roads` scores lines in masks, `graphs` road graphs."""

from overland.metrics.bootstrap import bootstrap_interval
from overland.metrics.confusion import confusion_matrix
from overland.metrics.scores import scores_from_confusion
from overland.metrics.summary import headline_score, image_scores, summary_from_confusions
from overland.metrics.threshold import ThresholdCurve

__all__ = [
    "ThresholdCurve",
    "bootstrap_interval",
    "confusion_matrix",
    "headline_score",
    "image_scores",
    "scores_from_confusion",
    "summary_from_confusions",
]

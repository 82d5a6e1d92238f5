"""Losses that leave ignored pixels out; `loss_from_terms` makes a weighted sum of them from settings."""

from overland.models.losses.terms import SegmentationLoss, loss_from_terms, loss_needs_class_weights

__all__ = ["SegmentationLoss", "loss_from_terms", "loss_needs_class_weights"]

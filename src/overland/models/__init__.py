"""Architectures, losses, encoders and ONNX graphs (torch). Imported before torchvision, for `torchvision_operators`."""

from __future__ import annotations

from overland.errors import import_extra

import_extra("torch", "train", "Training or the torch engine")

from overland.models.torchvision_operators import declare_missing_operators

declare_missing_operators()

from overland.models.build import (
    build_model,
    graph_from_model,
    model_settings,
    parameter_counts,
    size_divisor_of,
)
from overland.models.encoders import (
    calibrate_folded_norms,
    load_encoder_weights,
)
from overland.models.losses import SegmentationLoss, loss_from_terms, loss_needs_class_weights

__all__ = [
    "SegmentationLoss",
    "build_model",
    "calibrate_folded_norms",
    "graph_from_model",
    "load_encoder_weights",
    "loss_from_terms",
    "loss_needs_class_weights",
    "model_settings",
    "parameter_counts",
    "size_divisor_of",
]

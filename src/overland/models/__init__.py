"""Architectures, losses and graphs. Importing this package first makes torchvision importable beside CPU PyTorch."""

from __future__ import annotations

from overland.errors import import_extra

import_extra("torch", "train", "Training or the torch engine")

from overland.models.torchvision_shim import declare_missing_operators  # noqa: E402 - once torch is known to be there

declare_missing_operators()

from overland.models.build import build_model, model_settings, size_divisor_of  # noqa: E402 - after the shim, on purpose
from overland.models.encoder_weights import load_encoder_weights  # noqa: E402
from overland.models.folded_norms import calibrate_folded_norms  # noqa: E402
from overland.models.graph import graph_from_model  # noqa: E402
from overland.models.losses import SegmentationLoss, loss_from_terms, loss_needs_class_weights  # noqa: E402
from overland.models.parameters import parameter_counts  # noqa: E402

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

"""From scenes to probabilities: the window plan, blending, engines that run a model, and the streaming predictor."""

from __future__ import annotations

from overland.inference.compatibility import (
    RESAMPLE_MODES,
    check_bands,
    check_scene,
    choose_resampling,
    plan_image,
    wants_palette_colors,
)
from overland.inference.engines import Engine, open_engine
from overland.inference.ensemble import (
    ModelClassifier,
    PixelClassifier,
    ensemble_classifier,
    model_classifier,
    tta_classifier,
)
from overland.inference.memory import MemoryCosts, default_budget_mb, default_window, planned_memory_mb
from overland.inference.plan import Axis, Plan, plan_windows
from overland.inference.predictor import predict_array, predict_scene
from overland.inference.probabilities import mask_from_probabilities, network_input, probabilities_from_logits
from overland.inference.region import Region
from overland.inference.resample import Resampling, predict_resampled

__all__ = [
    "RESAMPLE_MODES",
    "Axis",
    "Engine",
    "MemoryCosts",
    "ModelClassifier",
    "PixelClassifier",
    "Plan",
    "Region",
    "Resampling",
    "check_bands",
    "check_scene",
    "choose_resampling",
    "default_budget_mb",
    "default_window",
    "ensemble_classifier",
    "mask_from_probabilities",
    "model_classifier",
    "network_input",
    "open_engine",
    "plan_image",
    "plan_windows",
    "planned_memory_mb",
    "predict_array",
    "predict_resampled",
    "predict_scene",
    "probabilities_from_logits",
    "tta_classifier",
    "wants_palette_colors",
]

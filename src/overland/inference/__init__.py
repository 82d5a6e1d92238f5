"""From scenes to scores: the window plan, blending, the engines that run a model, and the streaming predictor."""

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
from overland.inference.memory import MemoryCosts, chip_size_for, default_budget_mb, planned_memory_mb
from overland.inference.plan import Axis, Plan, plan_windows
from overland.inference.predictor import predict_array, predict_scene
from overland.inference.probabilities import (
    ModelClassifier,
    PixelClassifier,
    ensemble_classifier,
    model_classifier,
    tta_classifier,
)
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
    "chip_size_for",
    "choose_resampling",
    "default_budget_mb",
    "ensemble_classifier",
    "model_classifier",
    "open_engine",
    "plan_image",
    "plan_windows",
    "planned_memory_mb",
    "predict_array",
    "predict_resampled",
    "predict_scene",
    "tta_classifier",
    "wants_palette_colors",
]

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
from overland.inference.probabilities import ModelScorer, Scorer, mean_scorer, model_scorer, tta_scorer
from overland.inference.region import Region
from overland.inference.resample import Resampling, predict_resampled

__all__ = [
    "RESAMPLE_MODES",
    "Axis",
    "Engine",
    "MemoryCosts",
    "ModelScorer",
    "Plan",
    "Region",
    "Resampling",
    "Scorer",
    "check_bands",
    "check_scene",
    "chip_size_for",
    "choose_resampling",
    "default_budget_mb",
    "mean_scorer",
    "model_scorer",
    "open_engine",
    "plan_image",
    "plan_windows",
    "planned_memory_mb",
    "predict_array",
    "predict_resampled",
    "predict_scene",
    "tta_scorer",
    "wants_palette_colors",
]

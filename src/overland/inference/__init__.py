"""From scenes to scores: the window plan, blending, the engines that run a model, and the streaming predictor."""

from __future__ import annotations

from overland.inference.engines import Engine, open_engine
from overland.inference.fit import check_scene, wants_palette_colors
from overland.inference.plan import Axis, Plan, plan_windows
from overland.inference.predictor import predict_array, predict_scene

__all__ = [
    "Axis",
    "Engine",
    "Plan",
    "check_scene",
    "open_engine",
    "plan_windows",
    "predict_array",
    "predict_scene",
    "wants_palette_colors",
]

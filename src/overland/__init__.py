"""Overland: satellite imagery in, maps out. Every verb of the command line is a function of this package.

Names are imported when they are first used, so that `import overland` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from overland.version import __version__

_NAMES = {
    "overland.bundle": ("ModelBundle",),
    "overland.errors": (
        "AccessError",
        "DataError",
        "MissingExtraError",
        "OverlandError",
        "ResourceError",
        "UsageError",
    ),
    "overland.legend": ("Legend",),
    "overland.result": ("Result",),
    "overland.training.settings": ("TrainSettings",),
    "overland.web.rest.server": ("serve",),
    "overland.workflows.apply_threshold": ("apply_threshold",),
    "overland.workflows.areas": ("areas",),
    "overland.workflows.assess": ("assess_estimate", "assess_plan", "assess_sample"),
    "overland.workflows.check_data": ("check_data",),
    "overland.workflows.demo": ("demo",),
    "overland.workflows.doctor": ("DoctorResult", "doctor"),
    "overland.workflows.download": ("download",),
    "overland.workflows.encode_mask": ("encode_mask",),
    "overland.workflows.evaluate": ("evaluate",),
    "overland.workflows.evaluate_map": ("evaluate_map",),
    "overland.workflows.evaluate_roads": ("evaluate_roads",),
    "overland.workflows.export": ("export",),
    "overland.workflows.import_keras": ("import_keras",),
    "overland.workflows.list_models": ("list_models",),
    "overland.workflows.list_recipes": ("list_recipes", "show_recipe"),
    "overland.workflows.load_model": ("Model", "load_model"),
    "overland.workflows.postprocess": ("postprocess",),
    "overland.workflows.predict": ("predict",),
    "overland.workflows.prepare_channels": ("prepare_channels",),
    "overland.workflows.prepare_chips": ("prepare_chips",),
    "overland.workflows.prepare_coco": ("prepare_coco",),
    "overland.workflows.quantize": ("quantize",),
    "overland.workflows.rasterize": ("rasterize",),
    "overland.workflows.report": ("report",),
    "overland.workflows.train": ("train",),
    "overland.workflows.vectorize": ("vectorize",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [  # noqa: RUF022 - verbs in the order of a project, then types, the version last
    "demo",
    "download",
    "check_data",
    "prepare_chips",
    "prepare_coco",
    "prepare_channels",
    "encode_mask",
    "rasterize",
    "list_recipes",
    "show_recipe",
    "train",
    "import_keras",
    "evaluate",
    "evaluate_map",
    "evaluate_roads",
    "list_models",
    "load_model",
    "predict",
    "apply_threshold",
    "postprocess",
    "vectorize",
    "areas",
    "assess_plan",
    "assess_sample",
    "assess_estimate",
    "report",
    "export",
    "quantize",
    "doctor",
    "serve",
    "AccessError",
    "DataError",
    "DoctorResult",
    "Legend",
    "MissingExtraError",
    "Model",
    "ModelBundle",
    "OverlandError",
    "ResourceError",
    "Result",
    "TrainSettings",
    "UsageError",
    "__version__",
]

if TYPE_CHECKING:
    from overland.bundle import ModelBundle
    from overland.errors import AccessError, DataError, MissingExtraError, OverlandError, ResourceError, UsageError
    from overland.legend import Legend
    from overland.result import Result
    from overland.training.settings import TrainSettings
    from overland.web.rest.server import serve
    from overland.workflows.apply_threshold import apply_threshold
    from overland.workflows.areas import areas
    from overland.workflows.assess import assess_estimate, assess_plan, assess_sample
    from overland.workflows.check_data import check_data
    from overland.workflows.demo import demo
    from overland.workflows.doctor import DoctorResult, doctor
    from overland.workflows.download import download
    from overland.workflows.encode_mask import encode_mask
    from overland.workflows.evaluate import evaluate
    from overland.workflows.evaluate_map import evaluate_map
    from overland.workflows.evaluate_roads import evaluate_roads
    from overland.workflows.export import export
    from overland.workflows.import_keras import import_keras
    from overland.workflows.list_models import list_models
    from overland.workflows.list_recipes import list_recipes, show_recipe
    from overland.workflows.load_model import Model, load_model
    from overland.workflows.postprocess import postprocess
    from overland.workflows.predict import predict
    from overland.workflows.prepare_channels import prepare_channels
    from overland.workflows.prepare_chips import prepare_chips
    from overland.workflows.prepare_coco import prepare_coco
    from overland.workflows.quantize import quantize
    from overland.workflows.rasterize import rasterize
    from overland.workflows.report import report
    from overland.workflows.train import train
    from overland.workflows.vectorize import vectorize


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'overland' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

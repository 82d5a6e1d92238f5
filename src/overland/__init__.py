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
    "overland.inference.options": ("PredictOptions",),
    "overland.legend": ("Legend",),
    "overland.result": ("Result",),
    "overland.training.settings": ("TrainSettings",),
    "overland.web.verbs": ("AppResult", "ServeResult", "app", "serve"),
    "overland.workflows.apply_threshold": ("ApplyThresholdResult", "apply_threshold"),
    "overland.workflows.areas": ("AreasResult", "areas"),
    "overland.workflows.assess": (
        "AssessEstimateResult",
        "AssessPlanResult",
        "AssessSampleResult",
        "assess_estimate",
        "assess_plan",
        "assess_sample",
    ),
    "overland.workflows.check_data": ("CheckDataResult", "check_data"),
    "overland.workflows.demo": ("DemoResult", "demo"),
    "overland.workflows.doctor": ("DoctorResult", "doctor"),
    "overland.workflows.download": ("DownloadResult", "download"),
    "overland.workflows.encode_mask": ("EncodeMaskResult", "encode_mask"),
    "overland.workflows.evaluate": ("EvaluateResult", "evaluate"),
    "overland.workflows.evaluate_map": ("EvaluateMapResult", "evaluate_map"),
    "overland.workflows.evaluate_roads": ("EvaluateRoadsResult", "evaluate_roads"),
    "overland.workflows.export": ("ExportResult", "export"),
    "overland.workflows.import_keras": ("ImportKerasResult", "import_keras"),
    "overland.workflows.list_models": ("ListModelsResult", "list_models"),
    "overland.workflows.list_recipes": ("ListRecipesResult", "ShowRecipeResult", "list_recipes", "show_recipe"),
    "overland.workflows.load_model": ("Model", "load_model"),
    "overland.workflows.postprocess": ("PostprocessResult", "postprocess"),
    "overland.workflows.predict": ("PredictResult", "predict"),
    "overland.workflows.prepare_channels": ("PrepareChannelsResult", "prepare_channels"),
    "overland.workflows.prepare_chips": ("PrepareChipsResult", "prepare_chips"),
    "overland.workflows.prepare_coco": ("PrepareCocoResult", "prepare_coco"),
    "overland.workflows.quantize": ("QuantizeResult", "quantize"),
    "overland.workflows.rasterize": ("RasterizeResult", "rasterize"),
    "overland.workflows.report": ("ReportResult", "report"),
    "overland.workflows.train": ("TrainResult", "train"),
    "overland.workflows.vectorize": ("VectorizeResult", "vectorize"),
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
    "app",
    "serve",
    "doctor",
    "AccessError",
    "AppResult",
    "ApplyThresholdResult",
    "AreasResult",
    "AssessEstimateResult",
    "AssessPlanResult",
    "AssessSampleResult",
    "CheckDataResult",
    "DataError",
    "DemoResult",
    "DoctorResult",
    "DownloadResult",
    "EncodeMaskResult",
    "EvaluateMapResult",
    "EvaluateResult",
    "EvaluateRoadsResult",
    "ExportResult",
    "ImportKerasResult",
    "Legend",
    "ListModelsResult",
    "ListRecipesResult",
    "MissingExtraError",
    "Model",
    "ModelBundle",
    "OverlandError",
    "PostprocessResult",
    "PredictOptions",
    "PredictResult",
    "PrepareChannelsResult",
    "PrepareChipsResult",
    "PrepareCocoResult",
    "QuantizeResult",
    "RasterizeResult",
    "ReportResult",
    "ResourceError",
    "Result",
    "ServeResult",
    "ShowRecipeResult",
    "TrainResult",
    "TrainSettings",
    "UsageError",
    "VectorizeResult",
    "__version__",
]

if TYPE_CHECKING:
    from overland.bundle import ModelBundle
    from overland.errors import AccessError, DataError, MissingExtraError, OverlandError, ResourceError, UsageError
    from overland.inference.options import PredictOptions
    from overland.legend import Legend
    from overland.result import Result
    from overland.training.settings import TrainSettings
    from overland.web.verbs import AppResult, ServeResult, app, serve
    from overland.workflows.apply_threshold import ApplyThresholdResult, apply_threshold
    from overland.workflows.areas import AreasResult, areas
    from overland.workflows.assess import (
        AssessEstimateResult,
        AssessPlanResult,
        AssessSampleResult,
        assess_estimate,
        assess_plan,
        assess_sample,
    )
    from overland.workflows.check_data import CheckDataResult, check_data
    from overland.workflows.demo import DemoResult, demo
    from overland.workflows.doctor import DoctorResult, doctor
    from overland.workflows.download import DownloadResult, download
    from overland.workflows.encode_mask import EncodeMaskResult, encode_mask
    from overland.workflows.evaluate import EvaluateResult, evaluate
    from overland.workflows.evaluate_map import EvaluateMapResult, evaluate_map
    from overland.workflows.evaluate_roads import EvaluateRoadsResult, evaluate_roads
    from overland.workflows.export import ExportResult, export
    from overland.workflows.import_keras import ImportKerasResult, import_keras
    from overland.workflows.list_models import ListModelsResult, list_models
    from overland.workflows.list_recipes import ListRecipesResult, ShowRecipeResult, list_recipes, show_recipe
    from overland.workflows.load_model import Model, load_model
    from overland.workflows.postprocess import PostprocessResult, postprocess
    from overland.workflows.predict import PredictResult, predict
    from overland.workflows.prepare_channels import PrepareChannelsResult, prepare_channels
    from overland.workflows.prepare_chips import PrepareChipsResult, prepare_chips
    from overland.workflows.prepare_coco import PrepareCocoResult, prepare_coco
    from overland.workflows.quantize import QuantizeResult, quantize
    from overland.workflows.rasterize import RasterizeResult, rasterize
    from overland.workflows.report import ReportResult, report
    from overland.workflows.train import TrainResult, train
    from overland.workflows.vectorize import VectorizeResult, vectorize


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'overland' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

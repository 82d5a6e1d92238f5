"""Overland: satellite imagery in, maps out.

Names are imported when they are first used, so that `import overland` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from overland.version import __version__

_HOME = {
    "Legend": "overland.legend",
    "Model": "overland.workflows.load_model",
    "ModelBundle": "overland.bundle",
    "OverlandError": "overland.errors",
    "check_data": "overland.workflows.check_data",
    "evaluate": "overland.workflows.evaluate",
    "evaluate_roads": "overland.workflows.evaluate_roads",
    "load_model": "overland.workflows.load_model",
    "make_report": "overland.workflows.report",
    "measure_areas": "overland.workflows.areas",
    "predict": "overland.workflows.predict",
    "rasterize": "overland.workflows.rasterize",
    "train": "overland.workflows.train",
    "vectorize": "overland.workflows.vectorize",
}

__all__ = [  # noqa: RUF022 - the version last, the rest sorted
    "Legend",
    "Model",
    "ModelBundle",
    "OverlandError",
    "check_data",
    "evaluate",
    "evaluate_roads",
    "load_model",
    "make_report",
    "measure_areas",
    "predict",
    "rasterize",
    "train",
    "vectorize",
    "__version__",
]

if TYPE_CHECKING:
    from overland.bundle import ModelBundle
    from overland.errors import OverlandError
    from overland.legend import Legend
    from overland.workflows.areas import measure_areas
    from overland.workflows.check_data import check_data
    from overland.workflows.evaluate import evaluate
    from overland.workflows.evaluate_roads import evaluate_roads
    from overland.workflows.load_model import Model, load_model
    from overland.workflows.predict import predict
    from overland.workflows.rasterize import rasterize
    from overland.workflows.report import make_report
    from overland.workflows.train import train
    from overland.workflows.vectorize import vectorize


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'overland' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

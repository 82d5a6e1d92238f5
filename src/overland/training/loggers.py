"""Loggers beside results.csv: TensorBoard and MLflow, each where it is installed and wanted."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from overland.config import TrainConfig

__all__ = ["run_loggers"]

_TRACKING_URI = "MLFLOW_TRACKING_URI"


def run_loggers(config: TrainConfig, run_folder: Path) -> list[Logger]:
    """The loggers of a run: TensorBoard under the run folder where it is installed; MLflow where its server is named.

    MLflow is used when it is installed and `MLFLOW_TRACKING_URI` says where to; the experiment is `project`.
    """
    loggers: list[Logger] = []
    if importlib.util.find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(run_folder, name=None, version="tensorboard"))
    if importlib.util.find_spec("mlflow") and os.environ.get(_TRACKING_URI):
        mlflow = MLFlowLogger(config.project, run_name=run_folder.name, tracking_uri=os.environ[_TRACKING_URI])
        mlflow.log_hyperparams(config.to_dict())
        loggers.append(mlflow)
    return loggers

"""Loggers beside results.csv: TensorBoard and MLflow, each where it is installed and wanted."""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from overland.config import TrainConfig

__all__ = ["run_loggers"]

logger = logging.getLogger("overland")

_TRACKING_URI = "MLFLOW_TRACKING_URI"


def run_loggers(config: TrainConfig, run_folder: Path) -> list[Logger]:
    """The loggers of a run: TensorBoard under the run folder where it is installed; MLflow where its server is named.

    MLflow is used when `MLFLOW_TRACKING_URI` says where to; the experiment is `project`. Where it is named and cannot
    be used a warning says so, and the run goes on without.
    """
    loggers: list[Logger] = []
    if importlib.util.find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(run_folder, name=None, version="tensorboard"))
    if address := os.environ.get(_TRACKING_URI):
        try:
            loggers.append(_mlflow_logger(config, run_folder, address))
        except ModuleNotFoundError as error:
            logger.warning("%s is set, but MLflow cannot be used: %s", _TRACKING_URI, error)
    return loggers


def _mlflow_logger(config: TrainConfig, run_folder: Path, address: str) -> MLFlowLogger:
    mlflow = MLFlowLogger(config.project, run_name=run_folder.name, tracking_uri=address)
    mlflow.log_hyperparams(config.to_dict())
    return mlflow

"""Fit a network to a dataset, from the start or from the last checkpoint."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from overland.datasets import Dataset
from overland.datasets.chips import BandStatistics
from overland.errors import DataError, ResourceError, UsageError
from overland.models import build_model, calibrate_folded_norms, graph_from_model, size_divisor_of
from overland.settings import TrainSettings
from overland.training.callbacks import History, MovingAverage, PatientStopping, RunClock, ShowProgress
from overland.training.data import training_loader, validation_loader
from overland.training.module import SegmentationModule

__all__ = [
    "TrainedModel",
    "fit",
    "run_loggers",
]


# Loggers beside results.csv: TensorBoard and MLflow, each where it is installed and wanted.

logger = logging.getLogger("overland")

_TRACKING_URI = "MLFLOW_TRACKING_URI"


def run_loggers(config: TrainSettings, run_folder: Path) -> list[Logger]:
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


def _mlflow_logger(config: TrainSettings, run_folder: Path, address: str) -> MLFlowLogger:
    mlflow = MLFlowLogger(config.project, run_name=run_folder.name, tracking_uri=address)
    mlflow.log_hyperparams(config.to_dict())
    return mlflow


_LAST, _BEST = "last.ckpt", "best.ckpt"
_CALIBRATION_CHIPS = 16


@dataclass(frozen=True)
class TrainedModel:
    """What a run gives: weights by name, the ONNX graph that holds them, and the divisor of chip sides."""

    weights: Mapping[str, npt.NDArray[Any]]
    graph: bytes
    size_divisor: int


def fit(
    dataset: Dataset,
    config: TrainSettings,
    model: Mapping[str, Any],
    statistics: BandStatistics,
    run_folder: Path,
    *,
    class_weights: tuple[float, ...] | None = None,
    resume: bool = False,
) -> dict[str, TrainedModel]:
    """Train on split "train", validate on "val"; gives the models "best" and "last".

    Checkpoints and results.csv are kept in `run_folder` after every epoch; with `resume` the run goes on from there.
    Raises `UsageError` for settings that do not fit the network, `ResourceError` when the accelerator's memory is
    used up. A KeyboardInterrupt passes through once the run has stopped cleanly.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    network = build_model(model, pretrained=not resume)
    divisor = size_divisor_of(network)
    if config.imgsz % divisor:
        raise UsageError(f"imgsz must be a multiple of {divisor} for this network; got {config.imgsz}.")
    on_gpu = config.device in ("auto", "cuda") and torch.cuda.is_available()
    chips = training_loader(dataset, config, statistics, pin_memory=on_gpu)
    windows = validation_loader(dataset, "val", config, statistics, size_divisor=divisor)
    if not resume:
        calibrate_folded_norms(network, _some_chips(chips))
    clock = RunClock(config.epochs * len(chips), config.minutes)
    module = SegmentationModule(
        network,
        dataset.legend,
        config,
        outputs=int(model["classes"]),
        position=clock.position,
        class_weights=class_weights,
    ).to(memory_format=torch.channels_last)
    callbacks = [clock, *_callbacks(config, run_folder, len(chips) * config.batch, clock)]
    trainer = _trainer(config, run_folder, callbacks, on_gpu)
    weights_folder = run_folder / "weights"
    _run(trainer, module, chips, windows, weights_folder / _LAST if resume else None)
    return {
        "best": _trained(network, weights_folder / _BEST, model, divisor),
        "last": _trained(network, weights_folder / _LAST, model, divisor),
    }


def _some_chips(chips: DataLoader[Any]) -> Tensor:
    found = [chips.dataset[0, index][0] for index in range(min(_CALIBRATION_CHIPS, len(chips.dataset)))]  # type: ignore[arg-type]
    return torch.stack(found)


def _callbacks(config: TrainSettings, run_folder: Path, images: int, clock: RunClock) -> list[Callback]:
    callbacks: list[Callback] = [ShowProgress(images, clock), History(run_folder / "results.csv")]
    if config.ema > 0:
        callbacks.append(MovingAverage(config.ema))
    monitor, mode = {"iou": ("val/iou", "max"), "loss": ("val/loss", "min"), "none": (None, "min")}[config.monitor]
    if config.patience > 0 and monitor is not None:
        callbacks.append(
            PatientStopping(
                monitor, mode=mode, patience=config.patience, min_delta=config.min_delta, min_epochs=config.min_epochs
            )
        )
    # Apart, as one callback for both writes the last epoch only when it is the best.
    return [*callbacks, _checkpoint(run_folder, "best", monitor, mode), _checkpoint(run_folder, "last", "epoch", "max")]


def _checkpoint(run_folder: Path, name: str, monitor: str | None, mode: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        run_folder / "weights",
        filename=name,
        monitor=monitor,
        mode=mode,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _trainer(config: TrainSettings, run_folder: Path, callbacks: list[Callback], on_gpu: bool) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(config.device, config.device),
        devices=1,
        precision=_precision(config, on_gpu),
        max_epochs=config.epochs,
        callbacks=callbacks,
        deterministic="warn" if on_gpu else True,
        logger=run_loggers(config, run_folder) or False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=run_folder,
    )


def _precision(config: TrainSettings, on_gpu: bool) -> Any:
    if not (config.amp and on_gpu):
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _run(
    trainer: lightning.Trainer,
    module: SegmentationModule,
    chips: DataLoader[Any],
    windows: DataLoader[Any],
    checkpoint: Path | None,
) -> None:
    if checkpoint is not None and not checkpoint.is_file():
        raise DataError(f"{checkpoint} does not exist, so there is nothing to resume. Start the run without --resume.")
    with warnings.catch_warnings():
        # Advice on worker processes and the like; our settings are chosen.
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            trainer.fit(module, chips, windows, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
        except SystemExit as stop:
            # Lightning turns Ctrl-C into an exit after it has saved its state.
            raise KeyboardInterrupt from stop
        except torch.OutOfMemoryError as error:
            raise ResourceError(f"The GPU's memory is used up ({error}). Try a smaller batch or imgsz.") from error


def _trained(network: nn.Module, checkpoint: Path, model: Mapping[str, Any], divisor: int) -> TrainedModel:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    )
    graph = graph_from_model(network, in_channels=int(model["in_channels"]), size_divisor=divisor)
    weights = {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}
    return TrainedModel(weights, graph, divisor)

"""Fit a network to a dataset, from the start or from the last checkpoint."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from overland.config import TrainConfig
from overland.datasets import Dataset
from overland.datasets.chips import BandStatistics
from overland.errors import DataError, ResourceError, UsageError
from overland.models import build_model, graph_from_model, size_divisor_of
from overland.training.callbacks import History, MovingAverage, ShowProgress
from overland.training.data import training_loader, validation_loader
from overland.training.module import Schedule, SegmentationModule

__all__ = ["TrainedModel", "fit"]

_LAST, _BEST = "last.ckpt", "best.ckpt"


@dataclass(frozen=True)
class TrainedModel:
    """What a run gives: weights by name, the ONNX graph that holds them, and the divisor of chip sides."""

    weights: Mapping[str, npt.NDArray[Any]]
    graph: bytes
    size_divisor: int


def fit(
    dataset: Dataset,
    config: TrainConfig,
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
    windows = validation_loader(dataset, "val", statistics, bands=config.bands, size_divisor=divisor)
    schedule = Schedule(config.lr, config.weight_decay, config.warmup, config.epochs * len(chips))
    module = SegmentationModule(network, dataset.legend, schedule, dice=config.dice, class_weights=class_weights)
    module = module.to(memory_format=torch.channels_last)
    weights_folder = run_folder / "weights"
    trainer = _trainer(config, weights_folder, run_folder / "results.csv", len(chips) * config.batch, on_gpu)
    _run(trainer, module, chips, windows, weights_folder / _LAST if resume else None)
    return {
        "best": _trained(network, weights_folder / _BEST, model, divisor),
        "last": _trained(network, weights_folder / _LAST, model, divisor),
    }


def _trainer(config: TrainConfig, weights: Path, results: Path, images: int, on_gpu: bool) -> lightning.Trainer:
    callbacks: list[Callback] = [ShowProgress(images), History(results)]
    if config.ema > 0:
        callbacks.append(MovingAverage(config.ema))
    if config.patience > 0:
        callbacks.append(EarlyStopping("val/iou", patience=config.patience, mode="max", check_on_train_epoch_end=True))
    callbacks.append(
        ModelCheckpoint(
            weights,
            filename="best",
            monitor="val/iou",
            mode="max",
            save_last=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(config.device, config.device),
        devices=1,
        precision=_precision(config, on_gpu),
        max_epochs=config.epochs,
        callbacks=callbacks,
        deterministic="warn" if on_gpu else True,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=weights.parent,
    )


def _precision(config: TrainConfig, on_gpu: bool) -> Any:
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

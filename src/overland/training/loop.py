"""Training of a network on a dataset, from the start or from the last checkpoint, to weights and an ONNX graph."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import overland.training.requirements  # noqa: F401 - before Lightning, for the reason that it gives

# isort: split
import lightning
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from overland.datasets import Dataset
from overland.datasets.chips import BandStatistics
from overland.errors import DataError, ResourceError, UsageError
from overland.models import (
    SegmentationLoss,
    build_model,
    calibrate_folded_norms,
    graph_from_model,
    loss_from_terms,
    size_divisor_of,
)
from overland.training.callbacks import History, MovingAverage, PatientStopping, RunClock, ShowProgress
from overland.training.data import Augment, training_loader, validation_loader
from overland.training.module import SegmentationModule
from overland.training.own_code import OwnCode, is_own_name
from overland.training.settings import TrainSettings

__all__ = ["PreparedTraining", "TrainedModel", "fit", "prepare_training", "run_loggers"]

logger = logging.getLogger(__name__)

_LAST, _PREVIOUS, _BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
_CALIBRATION_CHIPS = 16
_TRACKING_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class TrainedModel:
    """A trained network.

    Args:
        weights: Arrays by their names in PyTorch.
        graph: ONNX graph that holds them.
        size_divisor: Number that the sides of a chip must be multiples of.
    """

    weights: Mapping[str, npt.NDArray[Any]]
    graph: bytes
    size_divisor: int


@dataclass(frozen=True)
class PreparedTraining:
    """A run whose settings, network and loss fit each other and its data, ready to start; nothing is written yet.

    Args:
        dataset: Images and labels, in splits "train" and "val".
        settings: Settings of the run.
        model: What `overland.models.build_model` makes the network of.
        statistics: Mean and standard deviation that pixels are scaled with.
        network: The network.
        size_divisor: Number that the sides of a chip must be multiples of.
        loss: The loss.
        metrics: Metrics of the user's own, by name.
        augment: An augmentation of the user's own.
    """

    dataset: Dataset
    settings: TrainSettings
    model: Mapping[str, Any]
    statistics: BandStatistics
    network: nn.Module
    size_divisor: int
    loss: SegmentationLoss
    metrics: Mapping[str, Any]
    augment: Augment | None

    def run(self, run_folder: Path, *, resume: bool = False) -> dict[str, TrainedModel]:
        """Train on split "train" and validate on "val".

        Args:
            run_folder: Folder of the run; checkpoints and results.csv are kept in it after every epoch.
            resume: Go on from the last checkpoint in it.

        Returns:
            The models "best" and "last".

        Raises:
            DataError: There is no checkpoint to resume from, or it is damaged.
            ResourceError: The accelerator's memory is used up.
            KeyboardInterrupt: The run was interrupted; it has stopped cleanly.
        """
        settings, network = self.settings, self.network
        weights_folder = run_folder / "weights"
        checkpoint = _checkpoint_to_resume(weights_folder) if resume else None
        on_gpu = settings.device in ("auto", "cuda") and torch.cuda.is_available()
        chips = training_loader(self.dataset, settings, self.statistics, pin_memory=on_gpu, augment=self.augment)
        windows = validation_loader(self.dataset, "val", settings, self.statistics, size_divisor=self.size_divisor)
        if not resume:
            some = [chips.dataset[0, index][0] for index in range(min(_CALIBRATION_CHIPS, len(chips.dataset)))]  # type: ignore[arg-type]
            calibrate_folded_norms(network, torch.stack(some))
        clock = RunClock(settings.epochs * len(chips), settings.minutes)
        module = SegmentationModule(
            network,
            self.dataset.legend,
            settings,
            loss=self.loss,
            outputs=int(self.model["classes"]),
            position=clock.position,
            metrics=self.metrics,
        ).to(memory_format=torch.channels_last)
        trainer = _trainer(settings, run_folder, len(chips) * settings.batch, clock, on_gpu)
        _train(trainer, module, chips, windows, checkpoint)
        best = weights_folder / _BEST
        return {
            "best": self._trained(best if best.is_file() else weights_folder / _LAST),
            "last": self._trained(weights_folder / _LAST),
        }

    def _trained(self, checkpoint: Path) -> TrainedModel:
        state = _read_checkpoint(checkpoint)["state_dict"]
        prefix = "network."
        network = self.network
        network.load_state_dict(
            {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        )
        in_channels = int(self.model["in_channels"])
        graph = graph_from_model(network, in_channels=in_channels, size_divisor=self.size_divisor)
        weights = {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}
        return TrainedModel(weights, graph, self.size_divisor)


def prepare_training(
    dataset: Dataset,
    settings: TrainSettings,
    model: Mapping[str, Any],
    statistics: BandStatistics,
    *,
    class_weights: tuple[float, ...] | None = None,
    own: OwnCode | None = None,
    pretrained: bool = True,
) -> PreparedTraining:
    """Build network and loss of a run, so that whatever does not fit is refused before anything is written.

    Args:
        dataset: Images and labels, in splits "train" and "val".
        settings: Settings of the run.
        model: Architecture and options, completed by `overland.models.model_settings`.
        statistics: Mean and standard deviation that pixels are scaled with.
        class_weights: Weight of each class in the cross entropy.
        own: Objects of the user's own that the settings name.
        pretrained: Give the encoder the weights that `model` names; a run that is resumed brings its own.

    Returns:
        The run, ready to start. The random numbers of PyTorch are seeded.

    Raises:
        UsageError: Settings do not fit the network, the device or each other.
        DataError: The encoder's weights cannot be used.
    """
    own = own or OwnCode()
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device is cuda, but PyTorch finds no CUDA GPU here. Use auto or cpu.")
    if settings.device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device is mps, but PyTorch finds no Apple GPU here. Use auto or cpu.")
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    architecture = str(model.get("architecture"))
    network = build_model(
        model, pretrained=pretrained, own=own.load(architecture) if is_own_name(architecture) else None
    )
    divisor = size_divisor_of(network)
    if settings.imgsz % divisor:
        raise UsageError(f"imgsz must be a multiple of {divisor} for this network; got {settings.imgsz}.")
    outputs = int(model["classes"])
    loss = loss_from_terms(
        settings.loss,
        num_outputs=outputs,
        ignore_index=dataset.legend.ignore_index,
        class_weights=None if class_weights is None else torch.tensor(class_weights),
        own={name: own.load(name) for name in settings.loss if is_own_name(name)},
    )
    if is_own_name(architecture):
        _check_own_network(network, int(model["in_channels"]), outputs, divisor)
    return PreparedTraining(
        dataset=dataset,
        settings=settings,
        model=model,
        statistics=statistics,
        network=network,
        size_divisor=divisor,
        loss=loss,
        metrics={name: own.load(value) for name, value in settings.metrics.items()},
        augment=None if settings.augment is None else own.load(settings.augment),
    )


def fit(
    dataset: Dataset,
    settings: TrainSettings,
    model: Mapping[str, Any],
    statistics: BandStatistics,
    run_folder: Path,
    *,
    class_weights: tuple[float, ...] | None = None,
    own: OwnCode | None = None,
    resume: bool = False,
) -> dict[str, TrainedModel]:
    """Prepare a run and train it, as `prepare_training` and `PreparedTraining.run` do.

    Args:
        dataset: Images and labels, in splits "train" and "val".
        settings: Settings of the run.
        model: Architecture and options, completed by `overland.models.model_settings`.
        statistics: Mean and standard deviation that pixels are scaled with.
        run_folder: Folder of the run.
        class_weights: Weight of each class in the cross entropy.
        own: Objects of the user's own that the settings name.
        resume: Go on from the last checkpoint in the run folder.

    Returns:
        The models "best" and "last".
    """
    prepared = prepare_training(
        dataset, settings, model, statistics, class_weights=class_weights, own=own, pretrained=not resume
    )
    return prepared.run(run_folder, resume=resume)


def run_loggers(settings: TrainSettings, run_folder: Path) -> list[Logger]:
    """Make the loggers of a run: TensorBoard where it is installed, MLflow where its server is named.

    MLflow is used when `MLFLOW_TRACKING_URI` says where to; the experiment is the setting `project`. Where it is named
    and cannot be used a warning says so, and the run goes on without.

    Args:
        settings: Settings of the run, which MLflow is told.
        run_folder: Folder of the run; TensorBoard's files go into its folder `tensorboard`.
    """
    loggers: list[Logger] = []
    if importlib.util.find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(run_folder, name=None, version="tensorboard"))
    if address := os.environ.get(_TRACKING_URI):
        try:
            mlflow = MLFlowLogger(settings.project, run_name=run_folder.name, tracking_uri=address)
            mlflow.log_hyperparams(settings.to_dict())
            loggers.append(mlflow)
        except ModuleNotFoundError as error:
            logger.warning("%s is set, but MLflow cannot be used: %s", _TRACKING_URI, error)
    return loggers


def _check_own_network(network: nn.Module, in_channels: int, outputs: int, divisor: int) -> None:
    """Run and export a network of the user's own once: after training it would be too late to find that it fails."""
    name = type(network).__name__
    side = divisor * -(-64 // divisor)
    wanted = (1, outputs, side, side)
    was_training = network.training
    try:
        with torch.no_grad():
            result = network.eval()(torch.zeros(1, in_channels, side, side))
        found = tuple(result.shape) if isinstance(result, torch.Tensor) else type(result).__name__
        if found == wanted:
            graph_from_model(network, in_channels=in_channels, size_divisor=divisor)
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise UsageError(
            f"The network {name} fails on a chip of {in_channels} bands and {side} x {side} pixels, or cannot be "
            f"exported as ONNX ({' '.join(str(error).split())[:200]}). Sides are multiples of its size_divisor, "
            f"which is {divisor}."
        ) from error
    finally:
        network.train(was_training)
    if found != wanted:
        raise UsageError(
            f"The network {name} must give logits {wanted} for a chip (1, {in_channels}, {side}, {side}); it gives "
            f"{found}."
        )


class _KeepPrevious(Callback):
    """The last checkpoint under another name while the next is written, so that a damaged one is no end of the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        # Lightning calls the callbacks that write checkpoints after all others.
        if (self._folder / _LAST).is_file():
            (self._folder / _LAST).replace(self._folder / _PREVIOUS)


def _checkpoint(run_folder: Path, name: str, monitor: str | None, mode: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        run_folder / "weights",
        filename=name,
        monitor=monitor,
        mode=mode,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _checkpoint_to_resume(folder: Path) -> Path:
    """Return the last checkpoint that can be read; what is damaged is named."""
    found = [path for path in (folder / _LAST, folder / _PREVIOUS) if path.is_file()]
    if not found:
        raise DataError(
            f"{folder / _LAST} does not exist, so there is nothing to resume. Start the run without --resume."
        )
    for path in found:
        try:
            epoch = int(_read_checkpoint(path)["epoch"]) + 1
        except DataError as error:
            if path == found[-1]:
                raise
            logger.warning("%s", error)
            continue
        if path != found[0]:
            logger.warning("Going on from the checkpoint before, %s of epoch %d.", path, epoch)
        best = folder / _BEST
        if best.is_file():
            try:
                _read_checkpoint(best)
            except DataError as error:
                logger.warning("%s The best epoch is looked for anew.", error)
                best.unlink()
        return path
    raise AssertionError("one of the checkpoints is returned or raised")


def _read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything in it; raise `DataError`, which names it, for a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            # PyTorch itself does not compare the checksums that it writes.
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} has another checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {"epoch": content["epoch"], "state_dict": content["state_dict"]}
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"The checkpoint {path} is damaged or cut off ({reason}).") from error


def _trainer(
    settings: TrainSettings, run_folder: Path, images: int, clock: RunClock, on_gpu: bool
) -> lightning.Trainer:
    callbacks: list[Callback] = [
        clock,
        ShowProgress(images, clock),
        History(run_folder / "results.csv"),
        _KeepPrevious(run_folder / "weights"),
    ]
    if settings.ema > 0:
        callbacks.append(MovingAverage(settings.ema))
    monitor, mode = (f"val/{settings.monitor}", "min" if settings.monitor == "loss" else "max")
    if settings.patience > 0 and not settings.reproduce.keep_last_epoch:
        callbacks.append(
            PatientStopping(
                monitor,
                mode=mode,
                patience=settings.patience,
                min_delta=settings.min_delta,
                min_epochs=settings.min_epochs,
            )
        )
    best = (None, "min") if settings.reproduce.keep_last_epoch else (monitor, mode)
    # Apart, as one callback for both writes the last epoch only when it is the best.
    callbacks += [_checkpoint(run_folder, "best", *best), _checkpoint(run_folder, "last", "epoch", "max")]
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    precision: Any = "32-true"
    if settings.amp_cpu and not on_gpu:
        precision = "bf16-mixed"
    elif settings.amp and on_gpu:
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(settings.device, settings.device),
        devices=1,
        precision=precision,
        max_epochs=settings.epochs,
        callbacks=callbacks,
        deterministic="warn" if on_gpu else True,
        logger=run_loggers(settings, run_folder) or False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=run_folder,
    )


def _train(
    trainer: lightning.Trainer,
    module: SegmentationModule,
    chips: DataLoader[Any],
    windows: DataLoader[Any],
    checkpoint: Path | None,
) -> None:
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

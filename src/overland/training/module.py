"""The Lightning module: loss, optimiser, schedule, and validation by scores that are pooled over whole images.

`build_optimizer`, `build_scheduler` and `schedule_factor` know the optimisers and schedules by the names that a recipe
gives them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import overland.training.requirements  # noqa: F401 - before Lightning, for the reason that it gives

# isort: split
import lightning
import numpy as np
import torch
from torch import Tensor, nn

from overland.errors import UsageError
from overland.legend import Legend
from overland.metrics import ThresholdCurve, confusion_matrix, scores_from_confusion
from overland.training.data import Batch
from overland.training.settings import TrainSettings

__all__ = ["SegmentationModule", "build_optimizer", "build_scheduler", "schedule_factor"]

_POLY_POWER = 0.9
_ONECYCLE_WARMUP = 0.3
_ONECYCLE_START = 1 / 25


class SegmentationModule(lightning.LightningModule):
    """Training of a network on chips, and its scores on whole validation windows.

    `val/iou` is pooled over all windows: with one output the IoU of class 1 at its best threshold, otherwise the mean
    over the classes that occur in the truth, without the background.

    Args:
        network: Scaled chips (n, bands, height, width) to logits (n, outputs, height, width).
        legend: Names of the classes.
        settings: Settings of the run.
        loss: Logits (n, outputs, height, width) and ids (n, height, width) to a scalar.
        outputs: Number of logits, 1 for a binary legend that is decided by a threshold.
        position: Returns the fraction of the run that is done, from 0 to 1.
        metrics: Metrics of the user's own by name. A function of the true and the predicted ids, two arrays (height,
            width), is averaged over the windows; an object or class with `update(predicted, truth)`, `compute()` and
            `reset()`, as torchmetrics has them, is pooled.
    """

    def __init__(
        self,
        network: nn.Module,
        legend: Legend,
        settings: TrainSettings,
        *,
        loss: nn.Module,
        outputs: int,
        position: Callable[[], float],
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._legend = legend
        self._settings = settings
        self._outputs = outputs
        self._position = position
        self._loss = loss
        self._metrics = {name: _OwnMetric(name, metric) for name, metric in (metrics or {}).items()}
        self.on_validation_epoch_start()

    def forward(self, chips: Tensor) -> Tensor:
        """Return the logits (n, outputs, height, width) of scaled chips (n, bands, height, width)."""
        logits: Tensor = self.network(chips)
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch."""
        chips, labels = batch
        loss: Tensor = self._loss(self(chips.contiguous(memory_format=torch.channels_last)), labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(chips))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the counts of the epoch before."""
        self._curve = ThresholdCurve()
        self._confusion = np.zeros((self._legend.num_classes,) * 2, dtype=np.int64)
        for metric in self._metrics.values():
            metric.reset()

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count the pixels of one window."""
        chips, labels = batch
        logits = self(chips)
        self.log("val/loss", self._loss(logits, labels), on_epoch=True, batch_size=len(chips))
        truth = labels.cpu().numpy().astype(np.uint8)
        if self._outputs == 1:
            probabilities = torch.sigmoid(logits[:, 0].float())
            self._curve.add(probabilities.cpu().numpy(), truth)
            predicted = (probabilities >= 0.5).long()
        else:
            predicted = logits.argmax(dim=1)
            self._confusion += confusion_matrix(truth, predicted.cpu().numpy(), self._legend.num_classes)
        for metric in self._metrics.values():
            metric.add(labels, predicted)

    def on_validation_epoch_end(self) -> None:
        """Log the pooled scores."""
        own = {f"val/{name}": metric.value() for name, metric in self._metrics.items()}
        # Lightning must not average them over batches: they are complete here.
        self.log_dict({**self._pooled_scores(), **own}, batch_size=1)

    def _pooled_scores(self) -> dict[str, float]:
        if self._outputs == 1:
            threshold = self._curve.best()[0] if self._curve.has_positives else 0.5
            scores = scores_from_confusion(self._curve.confusion(threshold), self._legend)
            iou = scores["classes"][self._legend.names[1]]["iou"]
            # A validation set without the class scores 0: NaN would end the search for the best epoch.
            iou = iou if self._curve.has_positives else 0.0
            named = {"val/dice": 2 * iou / (1 + iou), f"val/iou/{self._legend.names[1]}": iou}
        else:
            scores = scores_from_confusion(self._confusion, self._legend)
            iou = scores["miou_without_background"]
            named = {f"val/iou/{name}": values["iou"] for name, values in scores["classes"].items()}
        return {"val/iou": iou, "val/miou": scores["miou"], "val/pixel_accuracy": scores["pixel_accuracy"], **named}

    def configure_optimizers(self) -> Any:
        """Return the optimiser and the schedule of the settings, as Lightning wants them."""
        optimizer = build_optimizer(self._settings, self.network.parameters())
        return {"optimizer": optimizer, "lr_scheduler": build_scheduler(self._settings, optimizer, self._position)}


class _OwnMetric:
    """A metric of the user's own: the mean of a function over windows, or what an object pools itself."""

    def __init__(self, name: str, metric: Any) -> None:
        self._name = name
        self._metric: Any = metric() if inspect.isclass(metric) else metric
        self._pools = all(hasattr(self._metric, method) for method in ("update", "compute", "reset"))
        self._values: list[float] = []

    def reset(self) -> None:
        self._values = []
        if self._pools:
            self._metric.reset()

    def add(self, labels: Tensor, predicted: Tensor) -> None:
        if self._pools:
            self._metric.update(predicted.cpu(), labels.cpu())
            return
        for truth, mask in zip(labels.cpu().numpy(), predicted.cpu().numpy(), strict=True):
            self._values.append(float(self._metric(truth.astype(np.uint8), mask.astype(np.uint8))))

    def value(self) -> float:
        if self._pools:
            value = self._metric.compute()
            try:
                return float(value)
            except (TypeError, ValueError, RuntimeError) as error:
                raise UsageError(f"The metric {self._name} must give one number; got {value!r}.") from error
        known = [value for value in self._values if math.isfinite(value)]
        # NaN would end the search for the best epoch.
        return sum(known) / len(known) if known else 0.0


def build_optimizer(settings: TrainSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Make the optimiser that the settings name; "nag" is SGD with Nesterov's momentum.

    Args:
        settings: Settings of the run: optimizer, lr, weight_decay and momentum are used.
        parameters: Parameters of the network.

    Returns:
        The optimiser at its highest learning rate.
    """
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    optimizers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(parameters, **common),
        "adam": lambda: torch.optim.Adam(parameters, **common),
        "sgd": lambda: torch.optim.SGD(parameters, momentum=settings.momentum, **common),
        "nag": lambda: torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=True, **common),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, momentum=settings.momentum, **common),
        "adagrad": lambda: torch.optim.Adagrad(parameters, **common),
    }
    return optimizers[settings.optimizer]()


def build_scheduler(
    settings: TrainSettings, optimizer: torch.optim.Optimizer, position: Callable[[], float]
) -> dict[str, Any]:
    """Make the schedule of the learning rate that the settings name.

    Args:
        settings: Settings of the run: schedule, warmup, lr_factor, lr_patience and lr_epochs are used.
        optimizer: The optimiser whose learning rate is scheduled.
        position: Returns the fraction of the run that is done, from 0 to 1, whether steps or minutes end it.

    Returns:
        The value of Lightning's `lr_scheduler`.
    """
    if settings.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=settings.lr_factor, patience=settings.lr_patience
        )
        return {"scheduler": plateau, "interval": "epoch", "monitor": "val/loss"}
    if settings.schedule == "step":
        steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(settings.lr_epochs or ()), settings.lr_factor)
        return {"scheduler": steps, "interval": "epoch"}
    factor = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: schedule_factor(settings, position()))
    return {"scheduler": factor, "interval": "step"}


def schedule_factor(settings: TrainSettings, position: float) -> float:
    """Return the fraction of the highest learning rate at a position of the run.

    Up in a line over the fraction `warmup`, then: "cosine" a half cosine to zero, "poly" (1 - x)^0.9 (Chen et al.
    2017), "constant" stays. "onecycle" rises over 30 % from 1/25 and falls to zero, both in half cosines (Smith and
    Topin 2019).

    Args:
        settings: Settings of the run: schedule and warmup are used.
        position: Fraction of the run that is done, from 0 to 1.
    """
    if settings.schedule == "onecycle":
        if position < _ONECYCLE_WARMUP:
            return 1 - (1 - _ONECYCLE_START) * _half_cosine(position / _ONECYCLE_WARMUP)
        return _half_cosine(min(1.0, (position - _ONECYCLE_WARMUP) / (1 - _ONECYCLE_WARMUP)))
    if position < settings.warmup:
        # Never quite zero: the first step counts too.
        return max(position / settings.warmup, 1e-3)
    rest = min(1.0, (position - settings.warmup) / (1 - settings.warmup))
    if settings.schedule == "cosine":
        return _half_cosine(rest)
    return float((1 - rest) ** _POLY_POWER) if settings.schedule == "poly" else 1.0


def _half_cosine(fraction: float) -> float:
    """Fall from 1 to 0 as the fraction goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * fraction))

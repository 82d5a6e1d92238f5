"""The Lightning module: loss, optimiser, schedule and validation by pooled scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from overland.legend import Legend
from overland.metrics import ThresholdCurve, confusion_matrix, scores_from_confusion
from overland.models import loss_from_terms
from overland.settings import TrainSettings

__all__ = [
    "SegmentationModule",
    "build_optimizer",
    "build_scheduler",
    "schedule_factor",
]


# Optimisers and schedules of the learning rate, by the names that a recipe gives them.

_POLY_POWER = 0.9
_ONECYCLE_WARMUP = 0.3
_ONECYCLE_START = 1 / 25


def build_optimizer(config: TrainSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that the settings name; "nag" is SGD with Nesterov's momentum."""
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    optimizers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(parameters, **common),
        "adam": lambda: torch.optim.Adam(parameters, **common),
        "sgd": lambda: torch.optim.SGD(parameters, momentum=config.momentum, **common),
        "nag": lambda: torch.optim.SGD(parameters, momentum=config.momentum, nesterov=True, **common),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, momentum=config.momentum, **common),
        "adagrad": lambda: torch.optim.Adagrad(parameters, **common),
    }
    return optimizers[config.optimizer]()


def build_scheduler(
    config: TrainSettings, optimizer: torch.optim.Optimizer, position: Callable[[], float]
) -> dict[str, Any]:
    """The schedule that the settings name, as Lightning's `lr_scheduler` wants it.

    `position` tells how much of the run is done, from 0 to 1, whether steps or minutes end it.
    """
    if config.schedule == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=config.lr_factor, patience=config.lr_patience
        )
        return {"scheduler": plateau, "interval": "epoch", "monitor": "val/loss"}
    if config.schedule == "step":
        steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(config.lr_epochs or ()), config.lr_factor)
        return {"scheduler": steps, "interval": "epoch"}
    factor = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: schedule_factor(config, position()))
    return {"scheduler": factor, "interval": "step"}


def schedule_factor(config: TrainSettings, position: float) -> float:
    """Share of the highest learning rate at a position of the run from 0 to 1.

    Up in a line over the share `warmup`, then: "cosine" a half cosine to zero, "poly" (1 - x)^0.9 (Chen et al. 2017),
    "constant" stays. "onecycle" rises over 30 % from 1/25 and falls to zero, both in half cosines (Smith and Topin
    2019).
    """
    if config.schedule == "onecycle":
        return _onecycle(position)
    if position < config.warmup:
        # Never quite zero: the first step counts too.
        return max(position / config.warmup, 1e-3)
    rest = min(1.0, (position - config.warmup) / (1 - config.warmup))
    if config.schedule == "cosine":
        return _fall(rest)
    return float((1 - rest) ** _POLY_POWER) if config.schedule == "poly" else 1.0


def _onecycle(position: float) -> float:
    if position < _ONECYCLE_WARMUP:
        return 1 - (1 - _ONECYCLE_START) * _fall(position / _ONECYCLE_WARMUP)
    return _fall(min(1.0, (position - _ONECYCLE_WARMUP) / (1 - _ONECYCLE_WARMUP)))


def _fall(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


class SegmentationModule(lightning.LightningModule):
    """Trains a network on chips and scores it on whole validation windows.

    A training batch is (chips (n, c, h, w), ids (n, h, w)). A validation batch is one window with the same shapes.
    `outputs` is the number of logits of the network, 1 for a binary legend that is decided by a threshold.
    `position` tells how much of the run is done, from 0 to 1. `val/iou` is pooled over all windows: with one output
    the IoU of class 1 at its best threshold, otherwise the mean over the classes that occur in the truth, without the
    background.
    """

    def __init__(
        self,
        network: nn.Module,
        legend: Legend,
        config: TrainSettings,
        *,
        outputs: int,
        position: Callable[[], float],
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._legend = legend
        self._config = config
        self._outputs = outputs
        self._position = position
        self._loss = loss_from_terms(
            config.loss,
            num_outputs=outputs,
            ignore_index=legend.ignore_index,
            class_weights=None if class_weights is None else torch.tensor(class_weights),
        )
        self._reset_scores()

    def forward(self, chips: Tensor) -> Tensor:
        """Logits of scaled chips."""
        logits: Tensor = self.network(chips)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch."""
        chips, target = batch
        loss: Tensor = self._loss(self(chips.contiguous(memory_format=torch.channels_last)), target)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(chips))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the epoch before."""
        self._reset_scores()

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Count one window's pixels."""
        chips, target = batch
        logits = self(chips)
        self.log("val/loss", self._loss(logits, target), on_epoch=True, batch_size=len(chips))
        truth = target.cpu().numpy().astype(np.uint8)
        if self._outputs == 1:
            self._curve.add(torch.sigmoid(logits[:, 0].float()).cpu().numpy(), truth)
        else:
            mask = logits.argmax(dim=1).cpu().numpy()
            self._confusion += confusion_matrix(truth, mask, self._legend.num_classes)

    def on_validation_epoch_end(self) -> None:
        """Log the pooled scores."""
        # Lightning must not average them over batches: they are complete here.
        self.log_dict(self._pooled_scores(), batch_size=1)

    def configure_optimizers(self) -> Any:
        """The optimiser and the schedule of the settings."""
        optimizer = build_optimizer(self._config, self.network.parameters())
        return {"optimizer": optimizer, "lr_scheduler": build_scheduler(self._config, optimizer, self._position)}

    def _reset_scores(self) -> None:
        self._curve = ThresholdCurve()
        self._confusion = np.zeros((self._legend.num_classes,) * 2, dtype=np.int64)

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

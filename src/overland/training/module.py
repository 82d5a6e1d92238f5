"""The Lightning module: loss, optimiser, schedule and validation by pooled IoU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from overland.legend import Legend
from overland.metrics import ThresholdCurve, confusion_matrix, scores_from_confusion
from overland.models import segmentation_loss

__all__ = ["Schedule", "SegmentationModule", "schedule_factor"]


@dataclass(frozen=True)
class Schedule:
    """Optimiser settings: the highest learning rate, its warm-up and the number of steps of the whole run."""

    lr: float
    weight_decay: float
    warmup: float
    steps: int


class SegmentationModule(lightning.LightningModule):
    """Trains a network on chips and scores it on whole validation windows.

    A training batch is (chips (n, c, h, w), ids (n, h, w)). A validation batch is one window with the same shapes.
    `val/iou` is pooled over all windows: for a binary legend the IoU of class 1 at its best threshold, otherwise the
    mean over the classes that occur in the truth, without the background.
    """

    def __init__(
        self,
        network: nn.Module,
        legend: Legend,
        schedule: Schedule,
        *,
        dice: float = 1.0,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._legend = legend
        self._schedule = schedule
        self._dice = dice
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.register_buffer("class_weights", weights, persistent=False)
        self._reset_scores()

    def forward(self, chips: Tensor) -> Tensor:
        """Logits of scaled chips."""
        logits: Tensor = self.network(chips)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch."""
        chips, target = batch
        loss = self._loss(self(chips.contiguous(memory_format=torch.channels_last)), target)
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
        if self._legend.is_binary:
            self._curve.add(torch.sigmoid(logits[:, 0].float()).cpu().numpy(), truth)
        else:
            mask = logits.argmax(dim=1).cpu().numpy()
            self._confusion += confusion_matrix(truth, mask, self._legend.num_classes)

    def on_validation_epoch_end(self) -> None:
        """Log the pooled scores."""
        # Lightning must not average them over batches: they are complete here.
        self.log_dict(self._pooled_scores(), batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW; a linear warm-up and a cosine to zero, step by step."""
        schedule = self._schedule
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule_factor(step, schedule))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        weights = self.class_weights if isinstance(self.class_weights, Tensor) else None
        return segmentation_loss(
            logits, target, ignore_index=self._legend.ignore_index, dice_weight=self._dice, class_weights=weights
        )

    def _reset_scores(self) -> None:
        self._curve = ThresholdCurve()
        self._confusion = np.zeros((self._legend.num_classes,) * 2, dtype=np.int64)

    def _pooled_scores(self) -> dict[str, float]:
        if self._legend.is_binary:
            iou = self._curve.iou()
            best = float(np.nanmax(iou)) if np.isfinite(iou).any() else 0.0
            return {"val/iou": best, f"val/iou/{self._legend.names[1]}": best}
        scores = scores_from_confusion(self._confusion, self._legend)
        named = {f"val/iou/{name}": values["iou"] for name, values in scores["classes"].items()}
        return {"val/iou": scores["miou_without_background"], "val/miou": scores["miou"], **named}


def schedule_factor(step: int, schedule: Schedule) -> float:
    """Share of the highest learning rate at a step: up in a line, down in a half cosine."""
    rise = max(1, round(schedule.warmup * schedule.steps))
    if step < rise:
        return (step + 1) / rise
    position = min(1.0, (step - rise) / max(1, schedule.steps - rise))
    return 0.5 * (1 + math.cos(math.pi * position))

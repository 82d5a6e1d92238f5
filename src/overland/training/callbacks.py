"""Callbacks: progress and ETA, the history in results.csv, early stopping, and the moving average of the weights."""

from __future__ import annotations

import csv
import logging
import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, WeightAveraging
from torch import Tensor

from overland.progress import track
from overland.training.clock import RunClock

__all__ = ["History", "MovingAverage", "PatientStopping", "ShowProgress", "read_history"]

logger = logging.getLogger("overland")


class ShowProgress(Callback):
    """Shows the rate and the time left over the whole run, and a line for each epoch.

    Counts images, or seconds where the run is limited by its minutes.
    """

    def __init__(self, images: int, clock: RunClock) -> None:
        self._images = images
        self._clock = clock
        self._stack = ExitStack()
        self._best = -math.inf
        self._shown_s = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the bar; a resumed run starts with what is left."""
        assert trainer.max_epochs is not None
        if self._clock.limit_s:
            self._shown_s = self._clock.elapsed_s
            bar = track("Training", self._clock.limit_s - self._shown_s, "s")
        else:
            bar = track("Training", self._images * (trainer.max_epochs - trainer.current_epoch), "images")
        self._advance = self._stack.enter_context(bar)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        if self._clock.limit_s:
            elapsed_s = self._clock.elapsed_s
            self._advance(elapsed_s - self._shown_s)
            self._shown_s = elapsed_s
        else:
            self._advance(len(batch[0]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Say how the epoch went."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._best = max(self._best, metrics["val/iou"])
        logger.info(
            "epoch %d/%s: loss %.3f, validation loss %.3f, IoU %.4f (best %.4f)",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            metrics["train/loss"],
            metrics["val/loss"],
            metrics["val/iou"],
            self._best,
        )

    def teardown(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        """Close the bar, after an error too."""
        self._stack.close()


class History(Callback):
    """Writes one row an epoch to results.csv; a resumed run goes on below the rows of its checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier_s = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the rows up to the checkpoint that the run goes on from."""
        rows = [row for row in read_history(self._path) if row["epoch"] <= trainer.current_epoch]
        self._earlier_s = rows[-1]["time_s"] if rows else 0.0
        self._started = time.monotonic()
        self._write(rows)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate; at the end of the epoch it may be the next one's already."""
        self._lr = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Add the epoch's row."""
        row = {
            "epoch": float(trainer.current_epoch + 1),
            "time_s": round(self._earlier_s + time.monotonic() - self._started, 1),
            "lr": self._lr,
        }
        row |= {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
        self._write([*read_history(self._path), row])

    def _write(self, rows: list[dict[str, float]]) -> None:
        part = self._path.with_name(self._path.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            if rows:
                writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
                writer.writeheader()
                writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)
        part.replace(self._path)


class PatientStopping(EarlyStopping):
    """Stops a run that no longer gets better, but never within its first `min_epochs` epochs.

    Epochs before that set the mark that later ones have to beat; waiting starts after them.
    """

    def __init__(self, monitor: str, *, mode: str, patience: int, min_delta: float, min_epochs: int) -> None:
        super().__init__(monitor, mode=mode, patience=patience, min_delta=min_delta, check_on_train_epoch_end=True)
        self._min_epochs = min_epochs

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Look at the epoch's score."""
        stopping = trainer.should_stop
        super().on_train_epoch_end(trainer, module)
        if trainer.current_epoch + 1 <= self._min_epochs:
            self.wait_count = 0
            trainer.should_stop = stopping


class MovingAverage(WeightAveraging):
    """Exponential moving average of weights and statistics, used for validation and in the bundle.

    The decay grows from 0.1 towards `decay` with the number of steps, so that a short run is not held back by its
    first weights.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():
                return current  # the counter of batch normalisation
            count = float(steps)
            return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

        super().__init__(avg_fn=average)


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of a results.csv as numbers; none when there is no file yet."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

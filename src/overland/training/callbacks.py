"""Callbacks of training: clock, progress with ETA, history in results.csv, early stopping, average of the weights."""

from __future__ import annotations

import logging
import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import overland.training.requirements  # noqa: F401 - before Lightning, for the reason that it gives

# isort: split
import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, WeightAveraging
from torch import Tensor

from overland.progress import track
from overland.training.run_folder import read_history, write_history

__all__ = ["History", "MovingAverage", "PatientStopping", "RunClock", "ShowProgress"]

logger = logging.getLogger(__name__)


class RunClock(Callback):
    """Position in a run from 0 to 1, by steps or by minutes; ends the run when its minutes are used up.

    Minutes count from the start of training, validation included; those of a run that is resumed go on.

    Args:
        steps: Steps of the optimiser in the whole run.
        minutes: Minutes that the run may take; 0 for no limit.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        self._steps = max(1, steps)
        self._limit_s = 60 * minutes
        self._earlier_s = 0.0
        self._started: float | None = None
        self._step = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return self._earlier_s + (0.0 if self._started is None else time.monotonic() - self._started)

    @property
    def limit_s(self) -> float:
        """Seconds after which the run ends; 0 for no limit."""
        return self._limit_s

    def position(self) -> float:
        """Fraction of the run that is done: of its steps or of its minutes, whichever is larger."""
        by_minutes = self.elapsed_s / self._limit_s if self._limit_s else 0.0
        return min(1.0, max(self._step / self._steps, by_minutes))

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start to count."""
        self._started = time.monotonic()
        self._step = trainer.global_step

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, optimizer: Any
    ) -> None:
        """Count a step, before the schedule looks."""
        self._step = trainer.global_step + 1

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the run when its time is over; it is validated and saved first."""
        if self._limit_s and self.elapsed_s >= self._limit_s:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far, for a resume."""
        return {"elapsed_s": self.elapsed_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of a checkpoint."""
        self._earlier_s = float(state_dict["elapsed_s"])


class ShowProgress(Callback):
    """Images per second and the time left over the whole run, and a line for each epoch.

    Args:
        images: Chips of one epoch.
        clock: Clock of the run; where its minutes are limited, they decide how much is left.
    """

    def __init__(self, images: int, clock: RunClock) -> None:
        self._images = images
        self._clock = clock
        self._stack = ExitStack()
        self._best = -math.inf
        self._shown_s = 0.0
        self._counted = 0
        self._counting_s = 0.0
        self._began = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the bar; a resumed run starts with what is left."""
        assert trainer.max_epochs is not None
        if self._clock.limit_s:
            self._shown_s = self._clock.elapsed_s

            def rate() -> str:
                return f"{self._counted / max(self._counting_s, 1e-9):.3g} images/s"

            bar = track("Training", self._clock.limit_s - self._shown_s, "s", rate=rate)
        else:
            bar = track("Training", self._images * (trainer.max_epochs - trainer.current_epoch), "images")
        self._advance = self._stack.enter_context(bar)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start to time the images of an epoch; validation between epochs does not count."""
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        now = time.monotonic()
        self._counted += len(batch[0])
        self._counting_s += now - self._began
        self._began = now
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
    """One row an epoch in results.csv; a resumed run goes on below the rows of its checkpoint.

    Args:
        path: The file to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier_s = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the rows up to the checkpoint that the run goes on from."""
        rows = [row for row in read_history(self._path) if row["epoch"] <= trainer.current_epoch]
        self._earlier_s = rows[-1]["time_s"] if rows else 0.0
        self._started = time.monotonic()
        write_history(self._path, rows)

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
        write_history(self._path, [*read_history(self._path), row])


class PatientStopping(EarlyStopping):
    """Early stopping that never ends a run within its first `min_epochs` epochs.

    Epochs before that set the mark that later ones have to beat; waiting starts after them.

    Args:
        monitor: Name of the logged value that decides.
        mode: "max" where larger is better, else "min".
        patience: Epochs without a better one after which training stops.
        min_delta: Least progress that counts as better.
        min_epochs: Epochs before which training does not stop.
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

    The decay grows from 0.1 towards its limit with the number of steps, so that a short run is not held back by its
    first weights.

    Args:
        decay: Limit of the decay, from 0 to below 1.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            if not averaged.is_floating_point():
                return current  # the counter of batch normalisation
            count = float(steps)
            return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

        super().__init__(avg_fn=average)

"""How far a run has come: by its steps, or by its minutes where they are limited."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

__all__ = ["RunClock"]


class RunClock(Callback):
    """Knows the position in the run from 0 to 1, and ends it when its minutes are used up.

    Minutes count from the start of training, validation included; those of a run that is resumed go on. With
    `minutes` 0 only the steps count.
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
        """Share of the run that is done: of its steps or of its minutes, whichever is larger."""
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
        """The seconds, for a resume."""
        return {"elapsed_s": self.elapsed_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of a checkpoint."""
        self._earlier_s = float(state_dict["elapsed_s"])

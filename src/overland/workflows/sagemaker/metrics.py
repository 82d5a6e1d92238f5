"""Metric lines in the form of SageMaker's built-in semantic segmentation, which its metric definitions read.

A line is `[11/21/2026 14:00:00 INFO 140] #quality_metric. host: algo-1, epoch: 0, validation mIOU: 0.51 .`; epochs
count from 0.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overland.training.callbacks import read_history

__all__ = ["MetricLines", "print_metrics_of"]

_LOOK_EVERY_S = 0.5
# What a row of results.csv calls it, and the line's name for it.
_NAMES = {
    "train/loss": "train loss",
    "val/loss": "validation loss",
    "val/iou": "validation IOU",
    "val/pixel_accuracy": "validation pixel_accuracy",
    "val/miou": "validation mIOU",
}


class MetricLines:
    """Says scores as lines, each epoch once; `say` gets the lines."""

    def __init__(self, host: str, say: Callable[[str], None]) -> None:
        self._host = host
        self._say = say
        self.epochs = 0

    def row(self, row: Mapping[str, float]) -> None:
        """Say the scores of an epoch, as a row of results.csv has them."""
        self.epochs = int(row["epoch"])
        for key, name in _NAMES.items():
            if key in row:
                self._line(name, row[key])

    def final(self, scores: Mapping[str, Any]) -> None:
        """Say the scores of the model that is handed over, as `evaluate` counted them."""
        for key, name in (("pixel_accuracy", "validation pixel_accuracy"), ("miou", "validation mIOU")):
            self._line(name, scores["pooled"][key])

    def _line(self, name: str, value: float) -> None:
        if math.isfinite(value):
            epoch = max(0, self.epochs - 1)
            stamp = f"[{time.strftime('%m/%d/%Y %H:%M:%S')} INFO {threading.get_ident()}]"
            self._say(f"{stamp} #quality_metric. host: {self._host}, epoch: {epoch}, {name}: {value:g} .")


@contextmanager
def print_metrics_of(results: Path, lines: MetricLines) -> Iterator[None]:
    """Say every row that is added to a results.csv while the block runs; those that are there already were said."""
    lines.epochs = max((int(row["epoch"]) for row in read_history(results)), default=0)
    stop = threading.Event()

    def say_new_rows() -> None:
        for row in read_history(results):
            if row["epoch"] > lines.epochs:
                lines.row(row)

    def look() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            say_new_rows()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        say_new_rows()

"""Check a dataset before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from overland.datasets.check import check_dataset

__all__ = ["check_data"]


def check_data(data: str | Path, *, val_fraction: float = 0.2, seed: int = 0) -> dict[str, Any]:
    """Profile a dataset and name what is wrong with it.

    Returns plain values: `splits` with sizes, mask values and class fractions, `issues` with severity, code, message
    and files, and `ok`, which is False when any issue is an error. Raises `DataError` when `data` holds no dataset.
    """
    return check_dataset(data, val_fraction=val_fraction, seed=seed).to_dict()

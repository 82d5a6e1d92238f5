"""The confusion matrix, from which every score of a mask follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.legend import IGNORE_INDEX

__all__ = ["Confusion", "confusion_matrix"]

Confusion = npt.NDArray[np.int64]


def confusion_matrix(
    target: npt.NDArray[Any], mask: npt.NDArray[Any], num_classes: int, ignore_index: int = IGNORE_INDEX
) -> Confusion:
    """Count pixels by true class (rows) and predicted class (columns).

    `target` and `mask` hold class ids and have one shape; pixels whose target is `ignore_index` are left out.
    Returns int64 (num_classes, num_classes). Raises `DataError` when the shapes differ or an id is no class.
    """
    if target.shape != mask.shape:
        raise DataError(f"Truth and prediction must have one shape; got {target.shape} and {mask.shape}.")
    labelled = target != ignore_index
    truth, predicted = target[labelled].astype(np.int64), mask[labelled].astype(np.int64)
    _check_ids(truth, num_classes, "The truth")
    _check_ids(predicted, num_classes, "The prediction")
    counts = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _check_ids(ids: npt.NDArray[np.int64], num_classes: int, what: str) -> None:
    if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
        strange = np.unique(ids[(ids < 0) | (ids >= num_classes)])[:5].tolist()
        raise DataError(
            f"{what} holds the values {strange}, which are no class ids: those are 0 to {num_classes - 1}. "
            "Map file values to ids with label_mapping in the dataset YAML."
        )

"""Centreline Dice: do the centre lines of each mask lie in the other?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

from overland.errors import DataError

__all__ = ["cldice_counts"]

Mask = npt.NDArray[np.bool_]


def cldice_counts(truth: Mask, prediction: Mask, *, valid: Mask | None = None) -> npt.NDArray[np.int64]:
    """Count what clDice is made of, so that images can be added up.

    Returns [pixels of the prediction's skeleton in the truth, pixels of that skeleton, pixels of the truth's skeleton
    in the prediction, pixels of that skeleton], all among `valid` pixels. The first through the second is the topology
    precision, the third through the fourth the topology sensitivity, and clDice their harmonic mean.
    Raises `DataError` when the shapes differ.
    Source: Shit et al., clDice, 2021.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    predicted_line, true_line = skeletonize(prediction), skeletonize(truth)
    counts = [(predicted_line & truth).sum(), predicted_line.sum(), (true_line & prediction).sum(), true_line.sum()]
    return np.array(counts, dtype=np.int64)

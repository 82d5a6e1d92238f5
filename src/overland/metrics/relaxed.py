"""Relaxed precision and recall: a road pixel is right when the other mask has one nearby."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from overland.errors import DataError

__all__ = ["pixels_near", "relaxed_counts"]

Mask = npt.NDArray[np.bool_]


def relaxed_counts(
    truth: Mask, prediction: Mask, *, buffer: float = 3.0, valid: Mask | None = None
) -> npt.NDArray[np.int64]:
    """Count what relaxed precision and recall are made of, so that images can be added up.

    Returns [predicted pixels within `buffer` pixels of a true one, predicted pixels, true pixels within `buffer` of a
    predicted one, true pixels], all among `valid` pixels: precision is the first through the second, recall the third
    through the fourth. Raises `DataError` when the shapes differ.
    Source: Mnih and Hinton, 2010; Mnih, 2013, with a buffer of 3 pixels of 1 m.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    right, found = prediction & pixels_near(truth, buffer), truth & pixels_near(prediction, buffer)
    return np.array([right.sum(), prediction.sum(), found.sum(), truth.sum()], dtype=np.int64)


def pixels_near(mask: Mask, distance: float) -> Mask:
    """Pixels no farther than `distance` pixels from one of the mask, centre to centre."""
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask) <= distance)

"""Connectivity of road masks: connected components, and roads that the prediction breaks or misses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, distance_transform_edt, label
from skimage.morphology import skeletonize

from overland.errors import DataError

__all__ = ["connectivity_counts"]

Mask = npt.NDArray[np.bool_]

_EIGHT = np.ones((3, 3), dtype=np.uint8)


def connectivity_counts(
    truth: Mask,
    prediction: Mask,
    *,
    buffer: float = 3.0,
    min_road: int = 10,
    valid: Mask | None = None,
) -> npt.NDArray[np.int64]:
    """Count components and broken roads, so that images can be added up.

    Returns [components of the truth, components of the prediction, roads, broken roads, missed roads]. Components are
    connected over corners as well. A road is a part of the truth's skeleton between junctions of at least `min_road`
    pixels; those of its pixels within `buffer` pixels of the prediction are found, by the component that is nearest.
    A road is missed when none of its pixels is found, and broken when those found lie in several parts or belong to
    several components: who follows it has to leave the prediction on the way. A road found only in part, but in one
    part, is neither. Pixels that are not `valid` belong to no mask. Raises `DataError` when the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    if valid is not None:
        truth, prediction = truth & valid, prediction & valid
    components, count = label(prediction, _EIGHT)
    roads, sizes = _roads(truth)
    counted = np.flatnonzero(sizes >= max(min_road, 1))
    parts = _parts_found(roads, components, buffer)[counted]
    return np.array([label(truth, _EIGHT)[1], count, len(counted), (parts > 1).sum(), (parts == 0).sum()], np.int64)


def _roads(truth: Mask) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Skeleton pixels numbered from 1 by road, 0 elsewhere, and the pixels of each number."""
    skeleton = skeletonize(truth)
    neighbors = convolve(skeleton.astype(np.uint8), _EIGHT, mode="constant") - skeleton
    roads, _ = label(skeleton & (neighbors <= 2), _EIGHT)
    sizes = np.bincount(roads.ravel())
    sizes[0] = 0
    return roads, sizes


def _parts_found(roads: npt.NDArray[Any], components: npt.NDArray[Any], buffer: float) -> npt.NDArray[np.int64]:
    """How many parts of each road are found, each by one component and without a gap."""
    numbers = int(roads.max()) + 1
    if not components.any():
        return np.zeros(numbers, dtype=np.int64)
    distance, nearest = distance_transform_edt(components == 0, return_indices=True)
    found = (roads > 0) & (distance <= buffer)
    by = components[tuple(nearest[:, found])]
    in_place, _ = label(found, _EIGHT)
    parts = np.unique(np.stack([roads[found], by, in_place[found]]), axis=1)
    return np.bincount(parts[0], minlength=numbers).astype(np.int64)

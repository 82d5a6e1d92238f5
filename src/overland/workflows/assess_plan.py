"""Plan an assessment: how many points a sample of a map needs, and how they are shared out among its classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.metrics.area_estimates import required_sample_size
from overland.metrics.sampling import ALLOCATIONS, allocate_points
from overland.workflows.class_map import class_totals, open_class_scene

__all__ = ["plan_sample"]


def plan_sample(
    mask: str | Path,
    *,
    target_se: float = 0.01,
    expected_accuracy: float = 0.8,
    expected_accuracies: Mapping[str, float] | None = None,
    min_points: int = 50,
) -> dict[str, Any]:
    """Plan a stratified sample: points needed for a standard error of the overall accuracy, and their allocations.

    `expected_accuracies` are user's accuracies by class name, `expected_accuracy` holds for the others. With each
    allocation comes the standard error that it would give. Raises `UsageError` for what is no accuracy, `DataError`
    for a class that does not exist. Source: Olofsson et al. 2014, RSE 148, equation 13.
    """
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
    accuracies = np.full(totals.legend.num_classes, expected_accuracy)
    for name, accuracy in (expected_accuracies or {}).items():
        accuracies[totals.legend.id_from_name(name)] = accuracy
    weights = totals.weights
    points = required_sample_size(weights.tolist(), accuracies.tolist(), target_se, int(totals.pixels.sum()))
    points = max(points, 2 * int((weights > 0).sum()))
    allocations = {how: allocate_points(points, weights, how, min_points=min_points) for how in ALLOCATIONS}
    return {
        "mask": str(mask),
        "target_se": target_se,
        "points": points,
        "expected_se": {how: _expected_se(weights, accuracies, sizes) for how, sizes in allocations.items()},
        "classes": [
            {
                "class": index,
                "name": name,
                "weight": float(weights[index]),
                "expected_accuracy": float(accuracies[index]),
                **{how: int(sizes[index]) for how, sizes in allocations.items()},
            }
            for index, name in enumerate(totals.legend.names)
        ],
    }


def _expected_se(
    weights: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], sizes: npt.NDArray[np.int64]
) -> float:
    return float(np.sqrt((weights**2 * accuracies * (1 - accuracies) / np.maximum(sizes, 1)).sum()))

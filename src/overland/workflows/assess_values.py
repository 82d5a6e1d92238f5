"""Estimates of a map as plain values: areas in hectares, accuracies, and how sure each one is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.metrics.area_estimates import AreaEstimates, Estimate
from overland.workflows.class_map import ClassTotals

__all__ = ["ESTIMATE_COLUMNS", "estimate_values"]

ESTIMATE_COLUMNS = (
    "class",
    "name",
    "points",
    "mapped_ha",
    "area_ha",
    "area_margin_ha",
    "area_m2",
    "area_margin_m2",
    "area_share",
    "area_share_margin",
    "area_share_se",
    "users",
    "users_margin",
    "producers",
    "producers_margin",
)
_HECTARE_M2 = 1e4


def estimate_values(
    found: AreaEstimates, counts: npt.NDArray[np.int64], totals: ClassTotals, confidence: float, in_metres: bool
) -> dict[str, Any]:
    """What `metrics.area_estimates` found, for JSON; margins are half intervals, rows of matrices are map classes."""
    total_m2 = float(totals.areas_m2.sum()) if in_metres else math.nan
    return {
        "confidence": confidence,
        "total_area_ha": _or_none(total_m2 / _HECTARE_M2),
        "overall": float(found.overall.value[0]),
        "overall_se": float(found.overall.se[0]),
        "overall_margin": float(found.overall.margin(confidence)[0]),
        "classes": [
            {
                "class": index,
                "name": name,
                "points": int(counts[:, index].sum()),
                **_area(found.area, index, total_m2, confidence),
                "mapped_ha": float(totals.areas_m2[index]) / _HECTARE_M2 if in_metres else None,
                **_accuracy("users", found.users, index, confidence),
                **_accuracy("producers", found.producers, index, confidence),
            }
            for index, name in enumerate(totals.legend.names)
        ],
        "class_names": list(totals.legend.names),
        "counts": counts.sum(axis=0).tolist(),
        "proportions": found.proportions.tolist(),
    }


def _area(area: Estimate, index: int, total_m2: float, confidence: float) -> dict[str, float | None]:
    share, margin = float(area.value[index]), float(area.margin(confidence)[index])
    return {
        "area_ha": _or_none(share * total_m2 / _HECTARE_M2),
        "area_margin_ha": _or_none(margin * total_m2 / _HECTARE_M2),
        "area_m2": _or_none(share * total_m2),
        "area_margin_m2": _or_none(margin * total_m2),
        "area_share": share,
        "area_share_margin": margin,
        "area_share_se": float(area.se[index]),
    }


def _accuracy(name: str, accuracy: Estimate, index: int, confidence: float) -> dict[str, float]:
    return {name: float(accuracy.value[index]), f"{name}_margin": float(accuracy.margin(confidence)[index])}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Assess a map: what the labels of a sample say of its areas and accuracy, and how surely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.area_estimates import area_estimates, z_value
from overland.raster.write import check_output
from overland.workflows.assess_values import ESTIMATE_COLUMNS, estimate_values
from overland.workflows.class_map import ClassTotals, class_totals, open_class_scene
from overland.workflows.sample_points import SamplePoints, class_ids_at, ids_from_labels, read_points
from overland.workflows.table import write_table

__all__ = ["estimate_map"]


def estimate_map(
    sample: str | Path,
    mask: str | Path,
    *,
    reference_field: str = "reference",
    strata: str | Path | None = None,
    strata_field: str | None = None,
    confidence: float = 0.95,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Estimate areas and accuracies of a class map from a labelled sample, with their confidence intervals.

    Each point's map class is read from `mask`, its true class from `reference_field` (names or ids of the map). The
    strata are the map's classes; for a sample that was drawn by another map name that as `strata`, and its field as
    `strata_field` where the strata of the points are not to be read from it. Every point must be labelled. Areas are
    hectares and square metres on the ground, None without a CRS. `output` takes the table of classes as CSV.
    Raises `DataError` for samples that do not fit the map, `UsageError` for options and outputs that make no sense.
    Source: Olofsson et al. 2014, RSE 148; general strata: Stehman 2014, Int. J. Remote Sensing 35(13).
    """
    if strata_field is not None and strata is None:
        raise UsageError("--strata-field needs the areas of its strata: give their map with --strata.")
    path = None if output is None else check_output(output, overwrite=overwrite, suffixes=(".csv",))
    z_value(confidence)
    points = read_points(sample)
    labels = points.labels(reference_field)
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
        mapped = class_ids_at(scene, points)
        in_metres = scene.grid.is_georeferenced
    reference = ids_from_labels(labels, totals.legend, f"{sample}, field {reference_field}")
    if strata is None:
        _check_drawn_from(points, mapped, totals.legend, mask)
        stratum, strata_totals = mapped, totals
    else:
        stratum, strata_totals = _strata_of(points, strata, strata_field)
    counts = _counts(stratum, strata_totals, mapped, reference, totals.legend.num_classes)
    found = area_estimates(counts, strata_totals.weights)
    values = estimate_values(found, counts, totals, confidence, in_metres)
    if path is not None:
        write_table(path, values["classes"], ESTIMATE_COLUMNS)
    named = {"sample": str(sample), "mask": str(mask), "strata": None if strata is None else str(strata)}
    return {**named, "points": len(points), **values, "output": None if path is None else str(path)}


def _check_drawn_from(points: SamplePoints, mapped: npt.NDArray[Any], legend: Legend, mask: str | Path) -> None:
    if "map_class" not in points.fields:
        return
    drawn = ids_from_labels(points.labels("map_class"), legend, f"{points.path}, field map_class")
    differ = int((drawn != mapped).sum())
    if differ:
        raise DataError(
            f"{differ} of {len(points)} points have another class in {mask} than when they were drawn. If they were "
            "drawn by another map, name that with --strata."
        )


def _strata_of(
    points: SamplePoints, strata: str | Path, field: str | None
) -> tuple[npt.NDArray[np.int64], ClassTotals]:
    with open_class_scene(strata) as scene:
        totals = class_totals(scene)
        if field is None:
            return class_ids_at(scene, points), totals
    return ids_from_labels(points.labels(field), totals.legend, f"{points.path}, field {field}"), totals


def _counts(
    stratum: npt.NDArray[np.int64],
    strata: ClassTotals,
    mapped: npt.NDArray[np.int64],
    reference: npt.NDArray[np.int64],
    classes: int,
) -> npt.NDArray[np.int64]:
    counts = np.zeros((strata.legend.num_classes, classes, classes), np.int64)
    np.add.at(counts, (stratum, mapped, reference), 1)
    points = counts.sum(axis=(1, 2))
    few = np.flatnonzero((strata.pixels > 0) & (points < 2))
    if len(few):
        name = strata.legend.names[few[0]]
        raise DataError(
            f"The stratum {name} has {points[few[0]]} points, and 2 are the fewest. Draw a larger sample, or give the "
            "class to another one in the map when it has no more pixels."
        )
    return counts

"""The folder that an evaluation leaves: scores, a row for each image, figures and pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from overland.legend import Legend
from overland.metrics import ThresholdCurve
from overland.metrics.curves import RelaxedCurve
from overland.reporting.figures import (
    class_figure,
    relaxed_figure,
    threshold_figure,
    write_confusion_figure,
    write_figure,
)
from overland.reporting.pictures import PictureItem, write_pictures

__all__ = ["write_evaluation", "write_metrics"]


def write_evaluation(
    folder: Path,
    values: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    legend: Legend,
    *,
    curve: ThresholdCurve | None = None,
    relaxed: RelaxedCurve | None = None,
    items: Sequence[PictureItem] = (),
) -> None:
    """Write metrics.json, per_image.csv and the figures of an evaluation into an existing folder.

    `values` is what `metrics.summary_from_confusions` gives, with whatever else is to be kept; a score that does not
    exist (NaN) becomes null. `rows` have one set of keys. A block `boundary` is drawn beside the scores of the classes,
    the curves of thresholds and of relaxed precision and recall, and the pictures, when given.
    """
    write_metrics(folder, values)
    _write_rows(folder / "per_image.csv", rows)
    write_confusion_figure(np.array(values["confusion"]), legend, folder / "confusion_matrix.png")
    boundary = values["boundary"]["classes"] if "boundary" in values else None
    write_figure(class_figure(values["pooled"]["classes"], boundary), folder / "per_class.png")
    if curve is not None:
        write_figure(threshold_figure(curve, values["threshold"], legend.names[1]), folder / "threshold_curve.png")
    if relaxed is not None:
        write_figure(relaxed_figure(relaxed, legend.names[1]), folder / "relaxed_precision_recall.png")
    if items:
        write_pictures(folder / "pictures.jpg", items, legend)


def write_metrics(folder: Path, values: Mapping[str, Any]) -> None:
    """Write metrics.json into an existing folder; a score that does not exist (NaN) becomes null."""
    (folder / "metrics.json").write_text(_json(values), encoding="utf-8")


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(_with_nulls(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _with_nulls(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _with_nulls(item) for key, item in value.items()}
    return [_with_nulls(item) for item in value] if isinstance(value, list | tuple) else value


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.6f}" if math.isfinite(value) else ""

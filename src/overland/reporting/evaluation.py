"""The folder of an evaluation: metrics, a row for each image, figures and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from overland.legend import Legend
from overland.metrics import ThresholdCurve
from overland.metrics.curves import RelaxedCurve
from overland.output import write_table, write_text
from overland.reporting.figures import (
    class_figure,
    relaxed_figure,
    threshold_figure,
    write_confusion_figure,
    write_figure,
)
from overland.reporting.pictures import PictureItem, write_pictures
from overland.result import plain

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

    Args:
        folder: The folder.
        values: The summary of `metrics.summary_from_confusions`, with whatever else is to be kept. A metric that does
            not exist (NaN) becomes null. The metrics of a block `boundary` are drawn with those of the classes.
        rows: The metrics of each image, all with one set of keys.
        legend: The classes.
        curve: IoU, precision and recall at every threshold; None to leave the figure out.
        relaxed: Relaxed precision and recall; None to leave the figure out.
        items: Images that are shown as pictures.
    """
    write_metrics(folder, values)
    cells: list[dict[str, Any]] = [dict(row) for row in rows]
    for row in cells:
        for key, value in row.items():
            if isinstance(value, float):
                row[key] = f"{value:.6f}" if math.isfinite(value) else ""
    write_table(folder / "per_image.csv", cells, list(rows[0]))
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
    """Write metrics.json into an existing folder.

    Args:
        folder: The folder.
        values: The metrics; one that does not exist (NaN) becomes null.
    """
    text = json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(folder / "metrics.json", text)

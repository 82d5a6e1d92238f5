"""Figures of one evaluation: confusion matrix, scores per class, scores per threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overland.legend import Legend
from overland.metrics import ThresholdCurve
from overland.report.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, new_figure, style_axes, write_figure

__all__ = ["class_figure", "confusion_figure", "format_count", "threshold_figure", "write_confusion_figure"]

_COUNTS_UP_TO = 9


def confusion_figure(confusion: npt.NDArray[np.int64], names: Sequence[str]) -> Figure:
    """The confusion matrix (rows truth, columns prediction): each row in percent of its true pixels, with counts."""
    count = len(names)
    cell = 1.0 if count <= _COUNTS_UP_TO else 0.5
    figure = new_figure(2.2 + cell * count, 1.5 + cell * count)
    axes = figure.add_subplot()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for row, col in np.ndindex(shares.shape):
        _write_cell(axes, row, col, float(shares[row, col]), int(confusion[row, col]), count <= _COUNTS_UP_TO)
    style_axes(axes, "Confusion, % of true pixels", "Predicted", "True")
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    places = np.arange(count) + 0.5
    long_names = max(map(len, names)) > 10 * cell
    axes.set_xticks(places, names, color=INK)
    if long_names:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, color=INK)
    return figure


def write_confusion_figure(confusion: npt.NDArray[np.int64], legend: Legend, path: str | Path) -> None:
    """Write `confusion_figure` as PNG."""
    write_figure(confusion_figure(confusion, legend.names), path)


def class_figure(
    classes: Mapping[str, Mapping[str, Any]], boundary: Mapping[str, float | None] | None = None
) -> Figure:
    """IoU of each class as a bar, with its precision and recall as marks; a class without a score says so.

    `boundary` adds the boundary IoU of each class as a mark.
    """
    names = list(classes)
    figure = new_figure(7.2, 1.5 + 0.42 * len(names))
    axes = figure.add_subplot()
    places = np.arange(len(names))
    iou, precision, recall = ([_number(classes[name][key]) for name in names] for key in ("iou", "precision", "recall"))
    axes.barh(places, np.nan_to_num(iou), height=0.5, color=BLUE, alpha=0.9, label="IoU")
    axes.plot(precision, places, "D", color=ORANGE, markersize=6, markeredgecolor="white", label="Precision")
    # A ring, so that a precision of the same value is seen in it.
    axes.plot(recall, places, "o", color=GREEN, markersize=10, fillstyle="none", markeredgewidth=2, label="Recall")
    if boundary is not None:
        outlines = [_number(boundary[name]) for name in names]
        axes.plot(outlines, places, "s", color=PURPLE, markersize=6, markeredgecolor="white", label="Boundary IoU")
    for place, value in enumerate(iou):
        absent = np.isnan(value)
        text, left, color = ("absent", 0.01, MUTED) if absent else (f"{value:.3f}", 1.03, INK)
        axes.text(left, place, text, va="center", color=color, fontsize=9)
    style_axes(axes, "Scores per class, pooled")
    axes.grid(visible=False, axis="y")
    axes.set_yticks(places, names, color=INK)
    axes.set_xlim(0, 1.13)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def threshold_figure(curve: ThresholdCurve, used: float, name: str) -> Figure:
    """IoU, precision and recall of class 1 at every threshold, with the one that was used and the best one."""
    figure = new_figure(7.2, 3.6)
    axes = figure.add_subplot()
    precision, recall = curve.precision_recall()
    best, best_iou = curve.best()
    for values, color, label in (
        (precision, ORANGE, "Precision"),
        (recall, GREEN, "Recall"),
        (curve.iou(), BLUE, "IoU"),
    ):
        axes.plot(curve.thresholds, values, color=color, linewidth=2.4 if label == "IoU" else 1.6, label=label)
    axes.axvline(used, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=f"Used: {used:.3f}")
    best_label = f"Best: IoU {best_iou:.3f} at {best:.3f}"
    axes.plot([best], [best_iou], "o", color=BLUE, markersize=8, markeredgecolor="white", label=best_label)
    style_axes(axes, f"Threshold on the score of {name}", "Threshold")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def format_count(count: float) -> str:
    """A number of pixels as people read it: 812, 45.2 k, 3.1 M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count:.0f}"


def _write_cell(axes: Axes, row: int, col: int, share: float, count: int, with_count: bool) -> None:
    # Fixed colours, not the ink of the page: the cell beneath does not change with the page either.
    color = "white" if share > 0.55 else "#0b2545"
    percent = "" if count == 0 else f"{share:.1%}" if with_count else f"{share * 100:.0f}"
    lift = 0.1 if with_count and count else 0
    axes.text(
        col + 0.5, row + 0.5 - lift, percent, ha="center", va="center", color=color, fontsize=10 if with_count else 8
    )
    if with_count:
        axes.text(col + 0.5, row + 0.68, format_count(count), ha="center", va="center", color=color, fontsize=7.5)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)

"""Figures of one evaluation, and the look of every figure: its colours, its axes, how it becomes a file.

Figures are made with matplotlib's objects, never with pyplot, so nothing is shared between them or left open.
Colours: Okabe and Ito, Color universal design, 2008; all readers can tell them apart.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from overland.legend import Legend
from overland.metrics import ThresholdCurve
from overland.metrics.curves import RelaxedCurve
from overland.output import fresh_file

__all__ = [
    "BLUE",
    "GREEN",
    "INK",
    "MUTED",
    "ORANGE",
    "PURPLE",
    "class_figure",
    "confusion_figure",
    "format_count",
    "new_figure",
    "relaxed_figure",
    "save_picture",
    "style_axes",
    "svg_from_figure",
    "threshold_figure",
    "write_confusion_figure",
    "write_figure",
]

INK, MUTED, FAINT = "#1f2329", "#6b7280", "#e3e6ea"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"

_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure that arranges its parts by itself.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04, hspace=0.05)
    figure = Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Give axes the common look: title on the left, no box, a faint grid behind the data.

    Args:
        axes: The axes.
        title: Title above them.
        xlabel: Name of the horizontal axis.
        ylabel: Name of the vertical axis.
    """
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=10)
    axes.set_xlabel(xlabel, color=MUTED, fontsize=9)
    axes.set_ylabel(ylabel, color=MUTED, fontsize=9)
    axes.set_facecolor("none")
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(MUTED)


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Args:
        figure: The figure.
        path: The file.
    """
    with fresh_file(Path(path)) as part:
        figure.savefig(part, format="png")


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture as JPEG or, for any other suffix than .jpg, as PNG; whole or not at all.

    Args:
        picture: The picture.
        path: The file.
    """
    path = Path(path)
    with fresh_file(path) as part:
        if path.suffix.lower() in {".jpg", ".jpeg"}:
            picture.convert("RGB").save(part, format="JPEG", quality=90, subsampling=0)
        else:
            picture.save(part, format="PNG")


def svg_from_figure(figure: Figure, name: str) -> str:
    """Return a figure as SVG to stand inside a page: no background, lines and text in the page's colours and font.

    Args:
        figure: The figure.
        name: Keeps the ids of several figures in one page apart; the same figure and name give the same text.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="([^"]*)"', r'\1 style="--width:\2"', svg, count=1)
    svg = svg.replace("'DejaVu Sans', 'Bitstream Vera Sans'", "inherit")
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    for color, variable in ((INK, "--ink"), (MUTED, "--muted"), (FAINT, "--line")):
        svg = svg.replace(color, f"var({variable})")
    return svg


# With more classes than these the cells are too small for counts.
_COUNTS_UP_TO = 9


def confusion_figure(confusion: npt.NDArray[np.int64], names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: each row in percent of its true pixels, with counts.

    Args:
        confusion: Counts of pixels (classes, classes), rows truth, columns prediction.
        names: Names of the classes.
    """
    count = len(names)
    cell = 1.0 if count <= _COUNTS_UP_TO else 0.5
    figure = new_figure(2.2 + cell * count, 1.5 + cell * count)
    axes = figure.add_subplot()
    fractions = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.pcolormesh(fractions, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    with_counts = count <= _COUNTS_UP_TO
    for row, col in np.ndindex(fractions.shape):
        fraction, pixels = float(fractions[row, col]), int(confusion[row, col])
        # Fixed colours, not the ink of the page: the cell beneath does not change with the page either.
        ink = "white" if fraction > 0.55 else "#0b2545"
        percent = "" if pixels == 0 else f"{fraction:.1%}" if with_counts else f"{fraction * 100:.0f}"
        y, size = row + 0.5 - (0.1 if with_counts and pixels else 0), 10 if with_counts else 8
        axes.text(col + 0.5, y, percent, ha="center", va="center", color=ink, fontsize=size)
        if with_counts:
            axes.text(col + 0.5, row + 0.68, format_count(pixels), ha="center", va="center", color=ink, fontsize=7.5)
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
    """Write a confusion matrix as PNG.

    Args:
        confusion: Counts of pixels (classes, classes), rows truth, columns prediction.
        legend: The classes.
        path: The file.
    """
    write_figure(confusion_figure(confusion, legend.names), path)


def class_figure(
    classes: Mapping[str, Mapping[str, Any]], boundary: Mapping[str, float | None] | None = None
) -> Figure:
    """Draw the IoU of each class as a bar, with its precision and recall as marks.

    Args:
        classes: `iou`, `precision` and `recall` of each class by its name, 0 to 1; None or NaN for an absent class.
        boundary: Boundary IoU of each class, drawn as a mark; None for none.
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
    style_axes(axes, "Metrics per class, pooled")
    axes.grid(visible=False, axis="y")
    axes.set_yticks(places, names, color=INK)
    axes.set_xlim(0, 1.13)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def threshold_figure(curve: ThresholdCurve, used: float, name: str) -> Figure:
    """Draw IoU, precision and recall of class 1 at every threshold.

    Args:
        curve: The counts at every threshold.
        used: The threshold that was used, which is marked; the best one is marked, too.
        name: Name of class 1.
    """
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
    style_axes(axes, f"Threshold on the probability of {name}", "Threshold")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def format_count(count: float) -> str:
    """Return a number of pixels as people read it: 812, 45.2 k, 3.1 M.

    Args:
        count: The number.
    """
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count:.0f}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def relaxed_figure(curve: RelaxedCurve, name: str) -> Figure:
    """Draw relaxed precision over relaxed recall of class 1 for all thresholds.

    Args:
        curve: The counts at every threshold; where precision and recall are equal the break-even is marked.
        name: Name of class 1.
    """
    figure = new_figure(5, 4.6)
    axes = figure.add_subplot()
    precision, recall = curve.precision_recall()
    value, threshold = curve.break_even()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(recall, precision, color=BLUE, linewidth=2.4)
    if math.isfinite(value):
        label = f"Break-even {value:.3f} at threshold {threshold:.3f}"
        axes.plot([value], [value], "o", color=INK, markersize=8, markeredgecolor="white", label=label)
        axes.legend(loc="lower left", frameon=False, fontsize=9, labelcolor=INK)
    style_axes(axes, f"{name.capitalize()} within {curve.buffer:g} pixels", "Relaxed recall", "Relaxed precision")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_aspect("equal")
    return figure

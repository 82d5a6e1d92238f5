"""Figure of relaxed precision against relaxed recall, with the point where both are equal."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from overland.metrics.relaxed_curve import RelaxedCurve
from overland.report.style import BLUE, INK, MUTED, new_figure, style_axes

__all__ = ["relaxed_figure"]


def relaxed_figure(curve: RelaxedCurve, name: str) -> Figure:
    """Relaxed precision over relaxed recall of class 1 for all thresholds, and the break-even where there is one."""
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

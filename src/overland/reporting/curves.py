"""Training curves: figures of a run, from its results.csv."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from overland.errors import DataError
from overland.reporting.figures import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, new_figure, style_axes, write_figure

__all__ = ["dice_figure", "read_results", "training_figure", "write_training_figures"]

Results = Mapping[str, npt.NDArray[np.float64]]
"""The columns of results.csv by their names, each (epochs,); NaN where a cell is empty."""
Drawer = Callable[[Axes, Results], None]

_CLASS_COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#e69f00", "#56b4e9", "#332288", "#999933", "#882255", "#44aa99", MUTED)
_CLASS_PREFIX = "val/iou/"
_DICE_LOSSES = [("train/dice_loss", "Training", ORANGE), ("val/dice_loss", "Validation", BLUE)]


def read_results(path: str | Path) -> dict[str, npt.NDArray[np.float64]]:
    """Read results.csv.

    Args:
        path: The file.

    Returns:
        One array (epochs,) for each column; an empty cell is NaN.

    Raises:
        DataError: It is missing, empty, or holds something that is no number.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist; training writes it after each epoch.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{path} has no epochs in it; nothing can be drawn before the first has ended.")
    try:
        return {name.strip(): np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as numbers ({error}). Was it edited or cut short?") from error


def write_training_figures(run_folder: str | Path) -> list[Path]:
    """Draw `results.png`, `iou_score_plot.png` and `dice_loss_plot.png` of a run from its results.csv.

    Args:
        run_folder: Folder of the run.

    Returns:
        The figures that were written.

    Raises:
        DataError: results.csv cannot be read.
    """
    run_folder = Path(run_folder)
    results = read_results(run_folder / "results.csv")
    figures = {
        "results.png": training_figure(results),
        "iou_score_plot.png": new_figure(6.4, 4),
        "dice_loss_plot.png": dice_figure(results),
    }
    _draw_metrics(figures["iou_score_plot.png"].add_subplot(), results)
    for name, figure in figures.items():
        write_figure(figure, run_folder / name)
    return [run_folder / name for name in figures]


def training_figure(results: Results) -> Figure:
    """Draw loss, metrics, learning rate and, with more than two classes, the IoU of each class, over the epochs.

    Args:
        results: The columns of results.csv.
    """
    drawers: list[Drawer] = [_draw_loss, _draw_metrics, _draw_learning_rate]
    if sum(name.startswith(_CLASS_PREFIX) for name in results) > 2:
        drawers.append(_draw_classes)
    columns = 2 if len(drawers) == 4 else len(drawers)
    figure = new_figure(4.1 * columns, 3.3 * (len(drawers) // columns))
    for place, draw in enumerate(drawers, 1):
        draw(figure.add_subplot(len(drawers) // columns, columns, place), results)
    return figure


def dice_figure(results: Results) -> Figure:
    """Draw the Dice loss of training and validation over the epochs.

    Args:
        results: The columns of results.csv. Without `train/dice_loss` and `val/dice_loss` the whole loss is drawn, and
            with it 1 - `val/dice` where that is known.
    """
    figure = new_figure(6.4, 4)
    axes = figure.add_subplot()
    if any(_has_numbers(results, name) for name, _, _ in _DICE_LOSSES):
        _draw_lines(axes, results, _DICE_LOSSES)
        style_axes(axes, "Dice loss", "Epoch")
        _finish(axes)
        return figure
    if _has_numbers(results, "val/dice"):
        axes.plot(results["epoch"], 1 - results["val/dice"], color=GREEN, linewidth=1.8, label="Validation, 1 - Dice")
    _draw_loss(axes, results)
    return figure


def _draw_loss(axes: Axes, results: Results) -> None:
    _draw_lines(axes, results, [("train/loss", "Training", ORANGE), ("val/loss", "Validation", BLUE)])
    style_axes(axes, "Loss", "Epoch")
    _finish(axes)


def _draw_metrics(axes: Axes, results: Results) -> None:
    lines = [("val/iou", "IoU", BLUE), ("val/miou", "Mean IoU", GREEN), ("val/dice", "Dice", PURPLE)]
    _draw_lines(axes, results, lines)
    key = next((name for name, _, _ in lines if _has_numbers(results, name)), None)
    if key is not None:
        best = int(np.nanargmax(results[key]))
        epoch, value = results["epoch"][best], results[key][best]
        label = f"Best: {value:.3f}, epoch {epoch:.0f}"
        axes.plot([epoch], [value], "o", color=INK, markersize=7, markeredgecolor="white", label=label)
    metrics = "IoU and Dice" if _has_numbers(results, "val/dice") else "IoU"
    style_axes(axes, f"Validation {metrics}, pooled", "Epoch")
    axes.set_ylim(bottom=0)
    _finish(axes)


def _draw_classes(axes: Axes, results: Results) -> None:
    names = [name for name in results if name.startswith(_CLASS_PREFIX)]
    colors = [_CLASS_COLORS[place % len(_CLASS_COLORS)] for place in range(len(names))]
    _draw_lines(axes, results, [(n, n.removeprefix(_CLASS_PREFIX), c) for n, c in zip(names, colors, strict=True)])
    style_axes(axes, "Validation IoU per class, pooled", "Epoch")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_learning_rate(axes: Axes, results: Results) -> None:
    _draw_lines(axes, results, [("lr", "", MUTED)])
    style_axes(axes, "Learning rate", "Epoch")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")


def _draw_lines(axes: Axes, results: Results, lines: Sequence[tuple[str, str, str]]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    mark = "o" if len(results["epoch"]) == 1 else ""
    for name, label, color in lines:
        if _has_numbers(results, name):
            axes.plot(results["epoch"], results[name], color=color, marker=mark, linewidth=1.8, label=label)


def _has_numbers(results: Results, name: str) -> bool:
    return name in results and bool(np.isfinite(results[name]).any())


def _finish(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=INK)

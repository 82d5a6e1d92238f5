"""`overland evaluate`: the scores of a model on a dataset, and of masks in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.evaluate import EvaluateResult

__all__ = ["boundary_lines", "command", "patch_lines", "road_lines", "score_text", "show"]


_PREDICTED_BY = {"from_mask": "the mean of the mask", "from_probabilities": "the mean of the probabilities"}


def boundary_lines(scores: Mapping[str, Any]) -> list[str]:
    """Describe the scores of outlines.

    Args:
        scores: The block of an evaluation.

    Returns:
        Lines of text.
    """
    band = scores["width"]
    classes = ", ".join(f"{name} {_number(value)}" for name, value in scores["classes"].items())
    width = f"{band} of the diagonal" if band.endswith("%") else f"{band} pixels"
    return [f"Boundary IoU in a band of {width}, pooled", f"  mean {_number(scores['miou'])}: {classes}"]


def patch_lines(scores: Mapping[str, Any]) -> list[str]:
    """Describe the scores of patches.

    Args:
        scores: The block of an evaluation.

    Returns:
        Lines of text.
    """
    size, fraction = scores["patch_size"], scores["patch_fraction"]
    lines = [f"Patches of {size} x {size} pixels, of the class where its mean is above {fraction}, pooled"]
    for block, what in _PREDICTED_BY.items():
        if block in scores:
            values = {key: _number(scores[block][key]) for key in ("f1", "accuracy", "precision", "recall")}
            told = ", ".join(f"{key.replace('f1', 'F1')} {value}" for key, value in values.items())
            lines.append(f"  predicted by {what}: {told} ({scores[block]['patches']:,} patches)")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def road_lines(scores: Mapping[str, Any]) -> list[str]:
    """Describe the scores of lines of class 1.

    Args:
        scores: The block of an evaluation.

    Returns:
        Lines of text.
    """
    break_even = []
    if "relaxed_break_even_3px" in scores:
        value, threshold = _number(scores["relaxed_break_even_3px"]), scores["relaxed_break_even_3px_threshold"]
        at = f" at the threshold {threshold:.3f}" if threshold is not None and math.isfinite(threshold) else ""
        break_even = [f"  relaxed precision equals recall (break-even) at {value}{at}"]
    precision, recall = _number(scores["relaxed_precision_3px"]), _number(scores["relaxed_recall_3px"])
    return [
        "Lines of class 1, pooled over all images",
        f"  relaxed precision {precision} and recall {recall} (3 pixels), clDice {_number(scores['cldice'])}",
        *break_even,
        f"  {scores['components_prediction']:,} components predicted, {scores['components_truth']:,} in the truth",
        f"  of {scores['roads']:,} roads between junctions {_percent(scores['broken'])} are broken and "
        f"{_percent(scores['missed'])} missed",
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.1%}"


_EXTRA_LINES = {"roads": road_lines, "boundary": boundary_lines, "patches": patch_lines}
_COLUMNS = ("iou", "f1", "precision", "recall", "accuracy")
_TITLES = {"iou": "IoU", "f1": "Dice/F1", "precision": "Precision", "recall": "Recall", "accuracy": "Accuracy"}


def score_text(values: Mapping[str, Any]) -> str:
    """Describe the scores of masks for people.

    Args:
        values: The scores, as `to_dict()` of the result of `evaluate` or `evaluate_map` gives them.

    Returns:
        Tables and remarks.
    """
    count = f"{values['images']} {values['unit']}{'' if values['images'] == 1 else 's'}"
    headline = values["headline"]
    synthetic = ", synthetic scenes" if values.get("synthetic") else ""
    name = "Mean IoU" if headline["key"] == "miou" else "Mean IoU without unknown"
    if headline["class"]:
        name = f"IoU of {headline['class']}"
    interval = ""
    if headline["low"] is not None and math.isfinite(headline["low"]):
        interval = f", {headline['confidence']:.0%} interval {headline['low']:.4f} to {headline['high']:.4f}"
    lines = [f"{name}, pooled: {_number(headline['value'])}{interval} ({count}{synthetic})", ""]
    lines += [*_table("Pooled over all pixels", values["pooled"]), ""]
    lines += [*_table(f"Mean over {values['unit']}s where the score exists", values["per_image"]), ""]
    for block, to_lines in _EXTRA_LINES.items():
        lines += [*to_lines(values[block]), ""] if values.get(block) else []
    lines += [*_remarks(values), f"Scores, figures and pictures are in {values['output']}"]
    return "\n".join(lines)


def show(result: EvaluateResult) -> str:
    """Return the scores as tables.

    Args:
        result: The result of the verb.

    Returns:
        Lines for a terminal.
    """
    return score_text(result.to_dict())


command = command_from(
    "overland.workflows.evaluate:evaluate",
    show=show,
    examples=(
        "overland evaluate runs/segment/roads roads.yaml --split val",
        "overland evaluate model roads.yaml --threshold 0.4 --output scores --overwrite",
        "overland evaluate model roads.yaml --roads --boundary 2% --patches 16",
    ),
    metavars={"boundary": "BAND", "patches": "SIZE"},
    types={"boundary": click.STRING},
)


def _table(title: str, scores: Mapping[str, Any]) -> list[str]:
    width = max(12, *(len(name) for name in scores["classes"]))
    has_support = any("support" in row for row in scores["classes"].values())
    head = "".join(f"{_TITLES[key]:>11}" for key in _COLUMNS) + (f"{'Pixels':>15}" if has_support else "")
    lines = [title, f"  {'':{width}}{head}"]
    for name, row in scores["classes"].items():
        cells = "".join(f"{_number(row[key]):>11}" for key in _COLUMNS)
        support = f"{row['support']:>15,}" if "support" in row else ""
        lines.append(f"  {name:{width}}{cells}{support}")
    names = {"miou": "mean IoU"}
    # With one class of interest, the mean without background is its IoU once more.
    if len(scores["classes"]) > 2:
        names["miou_without_background"] = "without background"
    names |= {"miou_without_unknown": "without unknown", "pixel_accuracy": "pixel accuracy"}
    means = ", ".join(f"{name} {_number(scores[key])}" for key, name in names.items() if key in scores)
    return [*lines, f"  {means}"]


def _remarks(values: Mapping[str, Any]) -> list[str]:
    lines = []
    if values.get("threshold") is not None:
        best = values.get("best_threshold")
        better = f"; best on this split {best['threshold']:.3f} (IoU {best['iou']:.4f})" if best else ""
        lines.append(f"Threshold {values['threshold']:.3f}{better}")
    if values.get("with_ignored"):
        miou, accuracy = (_number(values["with_ignored"][key]) for key in ("miou", "pixel_accuracy"))
        lines.append(f"With unlabelled pixels as a class: mean IoU {miou}, pixel accuracy {accuracy}, pooled.")
    if "block_size" in values:
        lines.append(f"A block is {values['block_size']} x {values['block_size']} pixels.")
    if values.get("unpredicted_fraction"):
        lines.append(
            f"{values['unpredicted_fraction']:.2%} of the labelled pixels have no prediction and were left out."
        )
    return lines

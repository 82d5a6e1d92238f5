"""Scores of masks that were asked for, in words: outlines and patches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["boundary_lines", "patch_lines"]

_PREDICTED_BY = {"from_mask": "the mean of the mask", "from_scores": "the mean of the scores"}


def boundary_lines(scores: Mapping[str, Any]) -> list[str]:
    """The block `boundary` of an evaluation, line by line."""
    band = scores["band"]
    classes = ", ".join(f"{name} {_number(value)}" for name, value in scores["classes"].items())
    width = f"{band} of the diagonal" if band.endswith("%") else f"{band} pixels"
    return [f"Boundary IoU in a band of {width}, pooled", f"  mean {_number(scores['miou'])}: {classes}"]


def patch_lines(scores: Mapping[str, Any]) -> list[str]:
    """The block `patches` of an evaluation, line by line."""
    size, share = scores["patch_size"], scores["patch_share"]
    lines = [f"Patches of {size} x {size} pixels, of the class where its mean is above {share}, pooled"]
    for block, what in _PREDICTED_BY.items():
        if block in scores:
            values = {key: _number(scores[block][key]) for key in ("f1", "accuracy", "precision", "recall")}
            told = ", ".join(f"{key.replace('f1', 'F1')} {value}" for key, value in values.items())
            lines.append(f"  predicted by {what}: {told} ({scores[block]['patches']:,} patches)")
    return lines


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"

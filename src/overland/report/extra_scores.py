"""Scores that were asked for as HTML: lines, outlines and patches."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from overland.report.fragments import facts, format_score

__all__ = ["extra_scores_html"]

_TITLES = {"roads": "Lines in masks, pooled", "boundary": "Boundary IoU, pooled", "patches": "Patches, pooled"}


def extra_scores_html(values: Mapping[str, Any]) -> str:
    """The blocks `roads`, `boundary` and `patches` of an evaluation as lists under their titles; those that it has."""
    found = [(title, values[block]) for block, title in _TITLES.items() if block in values]
    return "".join(f"<h3>{escape(title)}</h3>{facts(_shown(block))}" for title, block in found)


def _shown(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _rounded(value) for key, value in block.items() if key != "averaging"}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _shown(value)
    return format_score(value) if isinstance(value, float) or value is None else value

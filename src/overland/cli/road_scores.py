"""Scores of roads in words: of lines in masks, and of graphs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["graph_text", "road_lines"]

_FORMS = {"cosmiq": "CosmiQ/SpaceNet", "sat2graph": "Sat2Graph"}
_TILES = {"small": ", at its 30 m for small tiles", "large": ""}


def road_lines(scores: Mapping[str, Any]) -> list[str]:
    """The block `roads` of an evaluation, line by line."""
    precision, recall = _number(scores["relaxed_precision_3px"]), _number(scores["relaxed_recall_3px"])
    return [
        "Lines of class 1, pooled over all images",
        f"  relaxed precision {precision} and recall {recall} (3 pixels), clDice {_number(scores['cldice'])}",
        *_break_even_lines(scores),
        f"  {scores['components_prediction']:,} components predicted, {scores['components_truth']:,} in the truth",
        f"  of {scores['roads']:,} roads between junctions {_percent(scores['broken'])} are broken and "
        f"{_percent(scores['missed'])} missed",
    ]


def _break_even_lines(scores: Mapping[str, Any]) -> list[str]:
    if "relaxed_break_even_3px" not in scores:
        return []
    value, threshold = _number(scores["relaxed_break_even_3px"]), scores["relaxed_break_even_3px_threshold"]
    at = f" at the threshold {threshold:.3f}" if math.isfinite(threshold) else ""
    return [f"  relaxed precision equals recall (break-even) at {value}{at}"]


def graph_text(values: Mapping[str, Any]) -> str:
    """An evaluation of a road graph."""
    lines = [_description("Truth", values["truth_graph"]), _description("Proposal", values["proposal_graph"]), ""]
    for form, name in _FORMS.items():
        if f"apls_{form}" in values:
            tile = _TILES[values["sat2graph_tile"]] if form == "sat2graph" else ""
            lines += [f"{name} form{tile}", *_form(values[f"apls_{form}"], values[f"topo_{form}"]), ""]
    return "\n".join([*lines, f"Scores are in {values['output']}"])


def _description(name: str, graph: Mapping[str, Any]) -> str:
    size = f"{graph['edges']:,} edges, {graph['nodes']:,} nodes, {graph['components']:,} components"
    return f"{name + ':':10}{graph['length_m'] / 1000:.2f} km, {size}"


def _form(apls: Mapping[str, Any], topo: Mapping[str, Any]) -> list[str]:
    there, back = _number(apls["truth_to_proposal"]), _number(apls["proposal_to_truth"])
    pairs = apls["pairs_truth_to_proposal"] + apls["pairs_proposal_to_truth"]
    return [
        f"  APLS {_number(apls['score'])}  truth to proposal {there}, proposal to truth {back} ({pairs:,} pairs)",
        f"  TOPO {_number(topo['f1'])}  precision {_number(topo['precision'])}, recall {_number(topo['recall'])} "
        f"({topo['origins']:,} origins)",
    ]


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "-"

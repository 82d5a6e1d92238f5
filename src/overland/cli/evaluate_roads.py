"""`overland evaluate-roads`: a road graph against the true one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.metrics.graphs import Apls, TopoCosmiq, TopoSat2graph
    from overland.workflows.evaluate_roads import EvaluateRoadsResult, RoadGraphSize

__all__ = ["command", "show"]


def show(result: EvaluateRoadsResult) -> str:
    """Return the scores in words.

    Args:
        result: The scores.

    Returns:
        Sizes of both graphs, and the scores of each variant.
    """
    lines = [_size("Truth", result.truth_graph), _size("Proposal", result.proposal_graph), ""]
    if result.apls_cosmiq is not None and result.topo_cosmiq is not None:
        lines += ["Variant of CosmiQ/SpaceNet", *_scores(result.apls_cosmiq, result.topo_cosmiq), ""]
    if result.apls_sat2graph is not None and result.topo_sat2graph is not None:
        tile = ", with its distances for small tiles" if result.sat2graph_tile == "small" else ""
        lines += [f"Variant of Sat2Graph{tile}", *_scores(result.apls_sat2graph, result.topo_sat2graph), ""]
    return "\n".join([*lines, f"Scores are in {result.output}"])


def _size(name: str, graph: RoadGraphSize) -> str:
    size = f"{graph.edges:,} edges, {graph.nodes:,} nodes, {graph.components:,} components"
    return f"{name + ':':10}{graph.length_m / 1000:.2f} km, {size}"


def _scores(apls: Apls, topo: TopoCosmiq | TopoSat2graph) -> list[str]:
    there, back = _number(apls.truth_to_proposal), _number(apls.proposal_to_truth)
    pairs = apls.pairs_truth_to_proposal + apls.pairs_proposal_to_truth
    return [
        f"  APLS {_number(apls.score)}  truth to proposal {there}, proposal to truth {back} ({pairs:,} pairs)",
        f"  TOPO {_number(topo.f1)}  precision {_number(topo.precision)}, recall {_number(topo.recall)} "
        f"({topo.origins:,} origins)",
    ]


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


command = command_from(
    "overland.workflows.evaluate_roads:evaluate_roads",
    show=show,
    examples=(
        "overland evaluate-roads truth.geojson roads.gpkg",
        "overland evaluate-roads truth.geojson roads.gpkg --variant cosmiq -o scores --overwrite",
    ),
)

"""Average path length similarity in the form of CosmiQ Works, the score of the SpaceNet road challenges."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import shapely

from overland.metrics.graphs.lines import drop_short_subgraphs
from overland.metrics.graphs.network import (
    Network,
    Places,
    cut_at,
    iter_path_lengths,
    network_from_graph,
    places_near,
    xy_of,
)

__all__ = ["apls_cosmiq", "path_errors"]

# A line shorter than this share of the spacing gets no point between its ends.
_SHORT = 0.75


def apls_cosmiq(
    truth: nx.MultiGraph,
    proposal: nx.MultiGraph,
    *,
    snap_m: float = 4.0,
    spacing_m: float = 50.0,
    min_path_m: float = 0.001,
    min_truth_m: float = 5.0,
    min_proposal_m: float = 3.0,
    max_nodes: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score how well shortest paths agree in length, 1 for the same graph and 0 for nothing in common.

    Control points are the nodes of a graph and points at most `spacing_m` apart between them. Each is moved to the
    nearest line of the other graph within `snap_m`, else it is missing there. Over all ordered pairs of control points
    with a path L of at least `min_path_m`, the direction's score is 1 - mean(min(1, |L - L'| / L)), where a missing
    path counts 1; `score` is the harmonic mean of both directions. Connected pieces are left out when their longest
    path is shorter than `min_truth_m` and `min_proposal_m` (10 pixels of SpaceNet's 0.3 m). When a graph has more than
    `max_nodes` nodes, no points are added, and as many nodes are drawn with `seed`.

    A direction without any pair scores 0; NaN for all when neither has one, as with two empty graphs.
    Source: Van Etten, Lindenbaum and Bacastow, SpaceNet, 2018; github.com/CosmiQ/apls.
    """
    networks = [
        network_from_graph(drop_short_subgraphs(truth, min_truth_m)),
        network_from_graph(drop_short_subgraphs(proposal, min_proposal_m)),
    ]
    is_large = any(len(network.nodes) > max_nodes for network in networks)
    rng = np.random.default_rng(seed)
    results = []
    for own, other in (networks, networks[::-1]):
        drawn = _drawn_nodes(own, max_nodes, rng)
        between = _points_between(own, np.inf if is_large else spacing_m)
        results.append(_direction(own, other, drawn, between, snap_m, min_path_m))
    (to_proposal, pairs), (to_truth, pairs_back) = results
    defined = pairs + pairs_back > 0
    return {
        "score": _harmonic_mean(to_proposal, to_truth) if defined else float("nan"),
        "truth_to_proposal": to_proposal if defined else float("nan"),
        "proposal_to_truth": to_truth if defined else float("nan"),
        "pairs_truth_to_proposal": pairs,
        "pairs_proposal_to_truth": pairs_back,
    }


def _drawn_nodes(network: Network, max_nodes: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    count = len(network.nodes)
    return np.arange(count) if count <= max_nodes else np.sort(rng.choice(count, max_nodes, replace=False))


def _points_between(network: Network, spacing_m: float) -> Places:
    is_long = network.lengths >= _SHORT * spacing_m
    lines = np.flatnonzero(is_long)
    gaps = np.maximum(np.ceil(network.lengths[lines] / spacing_m), 2).astype(np.int64)
    line = np.repeat(lines, gaps - 1)
    step = np.concatenate([np.arange(1, count) for count in gaps]) if len(gaps) else np.empty(0)
    return Places(line, step * network.lengths[line] / np.repeat(gaps, gaps - 1))


def _direction(
    own: Network, other: Network, nodes: npt.NDArray[np.int64], between: Places, snap_m: float, min_path_m: float
) -> tuple[float, int]:
    pieces = cut_at(own, between)
    control = np.concatenate([nodes, pieces.vertex])
    points = shapely.points(np.concatenate([own.nodes[nodes], xy_of(own, between)]))
    snapped = cut_at(other, places_near(other, points, snap_m))
    pairs, error = 0, 0.0
    for (_, true), (_, found) in zip(
        iter_path_lengths(pieces, control, control),
        iter_path_lengths(snapped, snapped.vertex, snapped.vertex),
        strict=True,
    ):
        counted = np.isfinite(true) & (true >= min_path_m)
        pairs += int(counted.sum())
        error += float(path_errors(true[counted], found[counted]).sum())
    return (1 - error / pairs if pairs else 0.0), pairs


def path_errors(true: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How far lengths are off, as shares of the true ones; 1 at most, and where there is no path."""
    return np.minimum(np.abs(true - found) / true, 1)


def _harmonic_mean(first: float, second: float) -> float:
    return 2 * first * second / (first + second) if first > 0 and second > 0 else 0.0

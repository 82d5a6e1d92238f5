"""Average path length similarity (APLS) of road graphs, in its two published variants, which do not compare.

The variant of CosmiQ Works is the score of the SpaceNet road challenges, the one of Sat2Graph that of the City-scale
benchmark. Road graphs are those of `graph_from_lines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.spatial import cKDTree

from overland.metrics.arrays import Bools, Floats, Ints
from overland.metrics.graphs.network import (
    HOP_M,
    Hops,
    Network,
    Places,
    cut_at,
    drop_short_subgraphs,
    hops_from_network,
    iter_path_lengths,
    network_from_graph,
    places_near,
    points_at,
    simplified,
    xy_of,
)

__all__ = [
    "Apls",
    "Bounds",
    "apls_cosmiq",
    "apls_sat2graph",
    "path_errors",
]


Bounds = tuple[float, float, float, float]
"""West, south, east, north in metres."""

# A line shorter than this fraction of the spacing gets no point between its ends (CosmiQ).
_SHORT = 0.75
# Control points and their matches keep this many hops apart (Sat2Graph).
_APART = 4
_CANDIDATES = 10


@dataclass(frozen=True)
class Apls:
    """Average path length similarity of two road graphs; NaN where no pair of points has a path.

    Attributes:
        score: Both directions in one, 0 to 1.
        truth_to_proposal: Agreement of the proposal with paths of the truth, 0 to 1.
        proposal_to_truth: Agreement of the truth with paths of the proposal, 0 to 1.
        pairs_truth_to_proposal: Number of pairs of control points of the first direction.
        pairs_proposal_to_truth: Number of pairs of the second.
    """

    score: float
    truth_to_proposal: float
    proposal_to_truth: float
    pairs_truth_to_proposal: int
    pairs_proposal_to_truth: int


def apls_cosmiq(
    truth: nx.MultiGraph[int],
    proposal: nx.MultiGraph[int],
    *,
    snap_m: float = 4.0,
    spacing_m: float = 50.0,
    min_path_m: float = 0.001,
    min_truth_m: float = 5.0,
    min_proposal_m: float = 3.0,
    max_nodes: int = 1000,
    seed: int = 0,
) -> Apls:
    """Score how well shortest paths agree in length, in the variant of CosmiQ Works and SpaceNet.

    Control points are the nodes of a graph and points between them. Each is moved to the nearest line of the other
    graph, else it is missing there. Over all ordered pairs of control points with a path L, the direction's score is
    1 - mean(min(1, |L - L'| / L)), where a missing path counts 1; `score` is the harmonic mean of both directions.

    Args:
        truth: The true road graph, in a metric projection.
        proposal: The road graph that is evaluated, in the same.
        snap_m: Largest distance of a control point and the other graph, in metres.
        spacing_m: Largest distance of control points along a line, in metres.
        min_path_m: Shorter paths are not compared, in metres.
        min_truth_m: Connected pieces of the truth whose longest path is shorter are left out, in metres.
        min_proposal_m: The same of the proposal (10 pixels of SpaceNet's 0.3 m).
        max_nodes: When a graph has more nodes, no points are added between them, and as many nodes are drawn.
        seed: Seed of that draw.

    Returns:
        The scores: 1 for the same graph, 0 for nothing in common. A direction without any pair scores 0; all are NaN
        when neither has one, as with two empty graphs.

    Source: Van Etten, Lindenbaum and Bacastow 2018, SpaceNet: a remote sensing dataset and challenge series;
        github.com/CosmiQ/apls.
    """
    networks = [
        network_from_graph(drop_short_subgraphs(truth, min_truth_m)),
        network_from_graph(drop_short_subgraphs(proposal, min_proposal_m)),
    ]
    if any(len(network.nodes) > max_nodes for network in networks):
        spacing_m = np.inf
    rng = np.random.default_rng(seed)
    results = []
    for own, other in (networks, networks[::-1]):
        drawn = np.arange(len(own.nodes))
        if len(drawn) > max_nodes:
            drawn = np.sort(rng.choice(len(drawn), max_nodes, replace=False))
        lines = np.flatnonzero(own.lengths >= _SHORT * spacing_m)
        gaps = np.maximum(np.ceil(own.lengths[lines] / spacing_m), 2).astype(np.int64)
        line = np.repeat(lines, gaps - 1)
        step = np.concatenate([np.arange(1, count) for count in gaps]) if len(gaps) else np.empty(0)
        between = Places(line, step * own.lengths[line] / np.repeat(gaps, gaps - 1))
        results.append(_direction_between_places(own, other, drawn, between, snap_m, min_path_m))
    (to_proposal, pairs), (to_truth, pairs_back) = results
    if not pairs + pairs_back:
        return Apls(np.nan, np.nan, np.nan, 0, 0)
    is_positive = to_proposal > 0 and to_truth > 0
    score = 2 * to_proposal * to_truth / (to_proposal + to_truth) if is_positive else 0.0
    return Apls(score, to_proposal, to_truth, pairs, pairs_back)


def _direction_between_places(
    own: Network, other: Network, nodes: Ints, between: Places, snap_m: float, min_path_m: float
) -> tuple[float, int]:
    pieces = cut_at(own, between)
    control = np.concatenate([nodes, pieces.vertex])
    points = points_at(np.concatenate([own.nodes[nodes], xy_of(own, between)]))
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


def path_errors(true: Floats, found: Floats) -> Floats:
    """Compare lengths of paths.

    Args:
        true: Lengths (n,) in metres, finite and above 0.
        found: The lengths of the same paths elsewhere (n,), infinite where there is none.

    Returns:
        Differences as fractions of the true lengths (n,), 1 at most.
    """
    return np.minimum(np.abs(true - found) / true, 1)


def apls_sat2graph(
    truth: nx.MultiGraph[int],
    proposal: nx.MultiGraph[int],
    *,
    snap_m: float = 10.0,
    spacing_m: float = 50.0,
    min_path_m: float = 100.0,
    margin_m: float = 100.0,
    bounds: Bounds | None = None,
) -> Apls:
    """Score how well shortest paths agree in length, in the variant of Sat2Graph.

    Control points are junctions, ends and points between them. Each is matched with a point of the other graph, one to
    one. A direction's score is 1 - mean(min(1, |L - L'| / L)) over pairs with a path L; a pair with an unmatched point
    counts 1 whatever its path. `score` is the mean of both directions. The defaults are for tiles of 2 km; on tiles of
    400 m spacing, shortest path and margin are 30 m.

    Args:
        truth: The true road graph, in a metric projection.
        proposal: The road graph that is evaluated, in the same.
        snap_m: A control point and its match are nearer than this, in metres.
        spacing_m: About the distance of control points along a line, in metres.
        min_path_m: Paths that are not longer are not compared, in metres.
        margin_m: Control points that are within so many metres of the bounds are left out.
        bounds: West, south, east and north in metres; those of the truth by default.

    Returns:
        The scores: 1 for the same graph, 0 for nothing in common. A direction without any pair scores 0; all are NaN
        when neither has one, as with two empty graphs.

    Source: He et al. 2020, Sat2Graph: road graph extraction through graph-tensor encoding, ECCV;
        github.com/songtaohe/Sat2Graph, metrics/apls. Other than there, control points are matched in their own order
        and not at random, and keep four hops apart on their own graph, where the reference looks those hops up in the
        other one.
    """
    networks = [network_from_graph(simplified(graph)) for graph in (truth, proposal)]
    hops = [hops_from_network(network) for network in networks]
    if bounds is None:
        lines = next((network.lines for network in networks if len(network.lines)), ())
        boxes = np.array([line.bounds for line in lines]).reshape(-1, 4)
        low, high = (boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)) if len(boxes) else np.zeros((2, 2))
        bounds = (*low.tolist(), *high.tolist())
    west, south, east, north = bounds
    box = west + margin_m, south + margin_m, east - margin_m, north - margin_m
    results = []
    for own, other in ((0, 1), (1, 0)):
        control = _control_points(networks[own], hops[own], box, spacing_m)
        matched = _matches(hops[own].xy[control], hops[other], snap_m)
        true, found = _paths(networks[own], hops[own], control), _paths(networks[other], hops[other], matched)
        results.append(_direction_between_hops(true, found, matched >= 0, min_path_m))
    (to_proposal, pairs), (to_truth, pairs_back) = results
    if not pairs + pairs_back:
        return Apls(np.nan, np.nan, np.nan, 0, 0)
    return Apls((to_proposal + to_truth) / 2, to_proposal, to_truth, pairs, pairs_back)


def _control_points(network: Network, hops: Hops, box: Bounds, spacing_m: float) -> Ints:
    """Return the hops that are control points; nodes first, then along the lines."""
    degree = np.bincount(network.ends.reshape(-1), minlength=len(network.nodes))
    # A ring without a junction has no beginning, so the reference never walks along it.
    nodes = np.flatnonzero((degree != 2) & (degree > 0))
    is_ring = (network.ends[:, 0] == network.ends[:, 1]) & (degree[network.ends[:, 0]] == 2)
    along, every = [], spacing_m / HOP_M
    for line in np.flatnonzero(~is_ring).tolist():
        begin, end = hops.chain[line : line + 2]
        count = end - begin
        if count > int(1.5 * every):
            parts = int(count / every) + 1
            along.append(begin + count * np.arange(1, parts) // parts)
    candidates = np.concatenate([hops.first[nodes], *along]).astype(np.int64)
    x, y = hops.xy[candidates].T
    candidates = candidates[(x > box[0]) & (y > box[1]) & (x < box[2]) & (y < box[3])]
    is_end = degree == 1
    taken: set[int] = set()
    chosen = []
    for candidate in candidates.tolist():
        vertex = int(hops.vertex[candidate])
        if vertex not in taken or (vertex < len(is_end) and is_end[vertex]):
            chosen.append(candidate)
            taken |= hops.around(vertex, _APART)
    return np.array(chosen, dtype=np.int64)


def _matches(xy: Floats, hops: Hops, snap_m: float) -> Ints:
    """Return the hop that each control point is matched with, -1 for none; matches keep apart."""
    matched = np.full(len(xy), -1, dtype=np.int64)
    if not (len(xy) and len(hops.first)):
        return matched
    found = cKDTree(hops.xy[hops.first]).query(xy, k=_CANDIDATES, distance_upper_bound=snap_m)
    distances, near = (np.asarray(values) for values in found)
    taken: set[int] = set()
    for index in range(len(xy)):
        free = [vertex for vertex in near[index][np.isfinite(distances[index])].tolist() if vertex not in taken]
        if free:
            matched[index] = hops.first[free[0]]
            taken |= hops.around(free[0], _APART)
    return matched


def _paths(network: Network, hops: Hops, chosen: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Measure shortest paths between hops; those of -1 are nowhere."""
    has_place = chosen >= 0
    line, offset = np.full(len(chosen), -1), np.zeros(len(chosen))
    line[has_place] = hops.places.line[chosen[has_place]]
    offset[has_place] = hops.places.offset[chosen[has_place]]
    pieces = cut_at(network, Places(line, offset))
    return iter_path_lengths(pieces, pieces.vertex, pieces.vertex)


def _direction_between_hops(
    true_paths: Iterator[tuple[Ints, Floats]],
    found_paths: Iterator[tuple[Ints, Floats]],
    is_matched: Bools,
    min_path_m: float,
) -> tuple[float, int]:
    pairs, error = 0, 0.0
    for (rows, true), (_, found) in zip(true_paths, found_paths, strict=True):
        both = is_matched[rows, None] & is_matched
        is_later = np.arange(len(is_matched)) > rows[:, None]
        measured = is_later & both & np.isfinite(true) & (true > min_path_m)
        unmatched = int((is_later & ~both).sum())
        pairs += int(measured.sum()) + unmatched
        error += float(path_errors(true[measured], found[measured]).sum()) + unmatched
    return (1 - error / pairs if pairs else 0.0), pairs

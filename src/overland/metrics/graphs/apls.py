"""Average path length similarity in the form of Sat2Graph, the score of the City-scale road benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import cKDTree

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
    simplified,
    xy_of,
)

__all__ = [
    "apls_cosmiq",
    "apls_sat2graph",
    "path_errors",
]


# Average path length similarity in the form of CosmiQ Works, the score of the SpaceNet road challenges.

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


Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bounds = tuple[float, float, float, float]

# Control points and their matches keep this many hops apart.
_APART = 4
_CANDIDATES = 10


def apls_sat2graph(
    truth: nx.MultiGraph,
    proposal: nx.MultiGraph,
    *,
    snap_m: float = 10.0,
    spacing_m: float = 50.0,
    min_path_m: float = 100.0,
    margin_m: float = 100.0,
    bounds: Bounds | None = None,
) -> dict[str, Any]:
    """Score how well shortest paths agree in length, 1 for the same graph and 0 for nothing in common.

    Control points are junctions, ends and points about every `spacing_m`, without those within `margin_m` of `bounds`
    (west, south, east, north; by default of the truth). Each is matched with a point of the other graph nearer than
    `snap_m`, one to one. A direction's score is 1 - mean(min(1, |L - L'| / L)) over pairs with a path L longer than
    `min_path_m`; a pair with an unmatched point counts 1 whatever its path. `score` is the mean of both directions.
    The defaults are for tiles of 2 km; on tiles of 400 m spacing, shortest path and margin are 30 m.

    A direction without any pair scores 0; NaN for all when neither has one, as with two empty graphs.
    Source: He et al., Sat2Graph, 2020; github.com/songtaohe/Sat2Graph, metrics/apls, but for its order of matching,
    which is random there and that of the control points here; and control points keep four hops apart on their own
    graph, where the reference looks those hops up in the other one.
    """
    networks = [network_from_graph(simplified(graph)) for graph in (truth, proposal)]
    hops = [hops_from_network(network) for network in networks]
    box = _inner(bounds or _bounds(networks), margin_m)
    results = []
    for own, other in ((0, 1), (1, 0)):
        control = _control_points(networks[own], hops[own], box, spacing_m)
        matched = _matches(hops[own].xy[control], hops[other], snap_m)
        true, found = _paths(networks[own], hops[own], control), _paths(networks[other], hops[other], matched)
        results.append(_direction_apls_sat2graph(true, found, matched >= 0, min_path_m))
    (to_proposal, pairs), (to_truth, pairs_back) = results
    defined = pairs + pairs_back > 0
    return {
        "score": (to_proposal + to_truth) / 2 if defined else float("nan"),
        "truth_to_proposal": to_proposal if defined else float("nan"),
        "proposal_to_truth": to_truth if defined else float("nan"),
        "pairs_truth_to_proposal": pairs,
        "pairs_proposal_to_truth": pairs_back,
    }


def _bounds(networks: Sequence[Network]) -> Bounds:
    nodes = [network.nodes for network in networks if len(network.nodes)]
    if not nodes:
        return 0.0, 0.0, 0.0, 0.0
    lines = next(network.lines for network in networks if len(network.lines))
    boxes = np.array([line.bounds for line in lines])
    return (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def _inner(bounds: Bounds, margin_m: float) -> Bounds:
    west, south, east, north = bounds
    return west + margin_m, south + margin_m, east - margin_m, north - margin_m


def _control_points(network: Network, hops: Hops, box: Bounds, spacing_m: float) -> Ints:
    """Indices of hops; nodes first, then along the lines."""
    degree = np.bincount(network.ends.reshape(-1), minlength=len(network.nodes))
    # A ring without a junction has no beginning, so the reference never walks along it.
    nodes = np.flatnonzero((degree != 2) & (degree > 0))
    is_ring = (network.ends[:, 0] == network.ends[:, 1]) & (degree[network.ends[:, 0]] == 2)
    along = [_along(hops, line, spacing_m) for line in np.flatnonzero(~is_ring).tolist()]
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


def _along(hops: Hops, line: int, spacing_m: float) -> Ints:
    begin, end = hops.chain[line : line + 2]
    count, every = end - begin, spacing_m / HOP_M
    if count <= int(1.5 * every):
        return np.empty(0, dtype=np.int64)
    parts = int(count / every) + 1
    return np.asarray(begin + count * np.arange(1, parts) // parts)


def _matches(xy: Floats, hops: Hops, snap_m: float) -> Ints:
    """The hop that each control point is matched with, -1 for none; matches keep apart."""
    matched = np.full(len(xy), -1, dtype=np.int64)
    if not (len(xy) and len(hops.first)):
        return matched
    distances, near = cKDTree(hops.xy[hops.first]).query(xy, k=_CANDIDATES, distance_upper_bound=snap_m)
    taken: set[int] = set()
    for index in range(len(xy)):
        free = [vertex for vertex in near[index][np.isfinite(distances[index])].tolist() if vertex not in taken]
        if free:
            matched[index] = hops.first[free[0]]
            taken |= hops.around(free[0], _APART)
    return matched


def _paths(network: Network, hops: Hops, chosen: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Shortest paths between hops; those of -1 are nowhere."""
    has_place = chosen >= 0
    line, offset = np.full(len(chosen), -1), np.zeros(len(chosen))
    line[has_place] = hops.places.line[chosen[has_place]]
    offset[has_place] = hops.places.offset[chosen[has_place]]
    pieces = cut_at(network, Places(line, offset))
    return iter_path_lengths(pieces, pieces.vertex, pieces.vertex)


def _direction_apls_sat2graph(
    true_paths: Iterator[tuple[Ints, Floats]],
    found_paths: Iterator[tuple[Ints, Floats]],
    is_matched: npt.NDArray[np.bool_],
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

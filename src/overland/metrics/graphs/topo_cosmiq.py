"""TOPO in the form of CosmiQ Works: marbles and holes in the neighbourhood of random nodes."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from overland.metrics.graphs.network import Network, network_from_graph

__all__ = ["topo_cosmiq"]

Floats = npt.NDArray[np.float64]


def topo_cosmiq(
    truth: nx.MultiGraph,
    proposal: nx.MultiGraph,
    *,
    radius_m: float = 150.0,
    interval_m: float = 30.0,
    match_m: float = 4.0,
    max_origins: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score how well the surroundings of nodes agree, from precision and recall of points on the roads.

    Origins are the nodes of the truth, at most `max_origins` of them, drawn with `seed`. Around each, nodes within
    `radius_m` that are connected there, and points every `interval_m` along the lines between them, are holes; the
    same around the nearest node of the proposal within `match_m` are marbles. A marble falls into the nearest free
    hole within `match_m`. Without such a node all holes stay empty. Counts are summed over all origins.
    All scores are 0 when one graph is empty and NaN when both are.
    Source: Biagioni and Eriksson, 2012, as in github.com/CosmiQ/apls (origins there are drawn with replacement).
    """
    true, proposed = network_from_graph(truth), network_from_graph(proposal)
    if not len(true.nodes) and not len(proposed.nodes):
        return {"origins": 0, "marbles": 0, "holes": 0, **dict.fromkeys(("precision", "recall", "f1"), float("nan"))}
    origins = np.arange(len(true.nodes))
    if len(origins) > max_origins:
        origins = np.sort(np.random.default_rng(seed).choice(len(origins), max_origins, replace=False))
    counts = np.zeros(3, dtype=np.int64)
    starts = _nearest_nodes(proposed, true.nodes[origins], match_m)
    for origin, start in zip(origins.tolist(), starts.tolist(), strict=True):
        holes = _surroundings(true, origin, radius_m, interval_m)
        marbles = _surroundings(proposed, start, radius_m, interval_m) if start >= 0 else np.empty((0, 2))
        counts += (_filled(holes, marbles, match_m), len(marbles), len(holes))
    hits, num_marbles, num_holes = counts.tolist()
    return {
        "origins": len(origins),
        "marbles": num_marbles,
        "holes": num_holes,
        "precision": hits / max(num_marbles, 1),
        "recall": hits / max(num_holes, 1),
        "f1": 2 * hits / max(num_marbles + num_holes, 1),
    }


def _nearest_nodes(network: Network, xy: Floats, max_m: float) -> npt.NDArray[np.int64]:
    if not len(network.nodes):
        return np.full(len(xy), -1, dtype=np.int64)
    distance, node = cKDTree(network.nodes).query(xy)
    return np.where(distance <= max_m, node, -1)


def _surroundings(network: Network, origin: int, radius_m: float, interval_m: float) -> Floats:
    """Nodes around one that are connected to it by lines between them, and points along these lines."""
    count = len(network.nodes)
    is_near = np.hypot(*(network.nodes - network.nodes[origin]).T) <= radius_m
    lines = np.flatnonzero(is_near[network.ends].all(axis=1))
    ends = network.ends[lines]
    links = sp.coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, piece = connected_components(links, directed=False)
    lines = lines[piece[ends[:, 0]] == piece[origin]]
    along = [_points_along(network, line, network.nodes[origin], interval_m) for line in lines.tolist()]
    return np.concatenate([network.nodes[piece == piece[origin]], *along])


def _points_along(network: Network, line: int, origin: Floats, interval_m: float) -> Floats:
    length = network.lengths[line]
    offsets = np.arange(0, length, interval_m)[1:]
    start, end = (np.hypot(*(network.nodes[node] - origin)) for node in network.ends[line])
    # Counted from the end nearer to the origin, so that truth and proposal have their points at the same places.
    offsets = length - offsets if end < start else offsets
    return np.asarray(shapely.get_coordinates(shapely.line_interpolate_point(network.lines[line], offsets)))


def _filled(holes: Floats, marbles: Floats, match_m: float) -> int:
    free = np.ones(len(holes), dtype=bool)
    tree = cKDTree(holes)
    for marble, near in zip(marbles, tree.query_ball_point(marbles, match_m) if len(marbles) else [], strict=True):
        options = np.array([hole for hole in sorted(near) if free[hole]], dtype=np.int64)
        if len(options):
            free[options[np.hypot(*(holes[options] - marble).T).argmin()]] = False
    return int((~free).sum())

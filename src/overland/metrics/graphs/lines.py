"""Lines to a road graph, as osmnx reads them: what shares a vertex is connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["drop_short_subgraphs", "graph_from_lines", "simplified"]

Floats = npt.NDArray[np.float64]

# Larger pieces are never short; the reference stops here as well, since all pairs of nodes are measured.
_MAX_NODES_MEASURED = 100


def graph_from_lines(lines: Sequence[Any] | npt.NDArray[Any], *, snap_m: float = 0.1) -> nx.MultiGraph:
    """Build the road graph of LineStrings in a metric projection.

    Lines are connected where they share a vertex, and where one ends within `snap_m` of a vertex of another; lines that
    cross without a common vertex (a bridge) are not. Nodes are crossings, T-junctions and ends, one for a free ring;
    what runs twice over the same vertices counts once. Nodes are numbered in the order of their coordinates and carry
    `x y`, edges `geometry` (LineString) and `length_m`.
    Source: the conventions of osmnx (vertices are nodes, then the graph is simplified).
    """
    lines = np.asarray(lines, dtype=object)
    segments = _segments(lines, snap_m)
    merged = shapely.line_merge(shapely.multilinestrings(segments)) if len(segments) else None
    return _graph_from_noded_lines(shapely.get_parts([merged] if merged is not None else []))


def simplified(graph: nx.MultiGraph) -> nx.MultiGraph:
    """The same roads without nodes that only join two edges."""
    return graph_from_lines([data["geometry"] for *_, data in graph.edges(data=True)], snap_m=0)


def drop_short_subgraphs(graph: nx.MultiGraph, min_length_m: float) -> nx.MultiGraph:
    """The graph without connected pieces whose longest shortest path between nodes is under `min_length_m`."""
    pieces = [graph.subgraph(nodes) for nodes in nx.connected_components(graph)]
    kept = [node for piece in pieces if _longest_path_m(piece) >= min_length_m for node in piece]
    return graph.subgraph(kept)


def _segments(lines: npt.NDArray[Any], snap_m: float) -> npt.NDArray[Any]:
    xy, line = shapely.get_coordinates(lines, return_index=True)
    if not len(xy):
        return np.array([], dtype=object)
    is_last = np.append(line[1:] != line[:-1], True)
    is_first = np.insert(is_last[:-1], 0, True)
    xy = _snapped(xy, is_first | is_last, snap_m)
    start, end = xy[~is_last], xy[~is_first]
    start, end = start[(start != end).any(axis=1)], end[(start != end).any(axis=1)]
    # Both directions of a segment are one, so that the smaller point comes first.
    is_turned = (end[:, 0] < start[:, 0]) | ((end[:, 0] == start[:, 0]) & (end[:, 1] < start[:, 1]))
    pairs = np.where(is_turned[:, None], np.hstack([end, start]), np.hstack([start, end]))
    return np.asarray(shapely.linestrings(np.unique(pairs, axis=0).reshape(-1, 2, 2)), dtype=object)


def _snapped(xy: Floats, is_end: npt.NDArray[np.bool_], snap_m: float) -> Floats:
    pairs = cKDTree(xy).query_pairs(snap_m, output_type="ndarray")
    pairs = pairs[is_end[pairs].any(axis=1)]
    links = sp.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(xy), len(xy)))
    _, cluster = connected_components(links, directed=False)
    _, first = np.unique(cluster, return_index=True)
    return np.asarray(xy[first[cluster]])


def _graph_from_noded_lines(lines: npt.NDArray[Any]) -> nx.MultiGraph:
    graph = nx.MultiGraph()
    if not len(lines):
        return graph
    ends = np.stack([shapely.get_coordinates(shapely.get_point(lines, index)) for index in (0, -1)], axis=1)
    nodes, number = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    graph.add_nodes_from((index, {"x": float(x), "y": float(y)}) for index, (x, y) in enumerate(nodes))
    pairs = number.reshape(-1, 2).tolist()
    for (u, v), line in sorted(zip(pairs, lines, strict=True), key=lambda edge: (edge[0], edge[1].length)):
        graph.add_edge(u, v, geometry=line, length_m=float(line.length))
    return graph


def _longest_path_m(piece: nx.MultiGraph) -> float:
    if len(piece) > _MAX_NODES_MEASURED:
        return float("inf")
    paths = dict(nx.all_pairs_dijkstra_path_length(piece, weight="length_m"))
    # From its node, the far side of a ring is half a turn away.
    rings = [data["length_m"] / 2 for u, v, data in piece.edges(data=True) if u == v]
    return float(max([*rings, *(length for row in paths.values() for length in row.values())]))

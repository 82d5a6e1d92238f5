"""A road graph as arrays: places on its lines, cuts at them, and lengths of shortest paths between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

__all__ = [
    "HOP_M",
    "Hops",
    "Network",
    "Pieces",
    "Places",
    "cut_at",
    "drop_short_subgraphs",
    "graph_from_lines",
    "hops_from_network",
    "iter_path_lengths",
    "network_from_graph",
    "path_lengths",
    "places_near",
    "simplified",
    "xy_of",
]


Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Two places closer than this are one: shortest paths need lengths above zero.
_SAME_M = 1e-6
_SOURCES_AT_ONCE = 128


@dataclass(frozen=True)
class Network:
    """Nodes x y (N, 2), LineStrings (E,), the nodes at their first and last point (E, 2), and their lengths (E,)."""

    nodes: Floats
    lines: npt.NDArray[Any]
    ends: Ints
    lengths: Floats


@dataclass(frozen=True)
class Places:
    """Points on the lines of a network: index of the line (K,), -1 for nowhere, and metres from its start (K,)."""

    line: Ints
    offset: Floats

    def __getitem__(self, chosen: Any) -> Places:
        return Places(self.line[chosen], self.offset[chosen])


@dataclass(frozen=True)
class Pieces:
    """A network cut at places.

    Vertices 0 to N - 1 are the nodes, the rest are the places: `vertex` (K,) says which, -1 for nowhere. A piece has
    two vertices `ends` (P, 2), a `length`, and lies on `line` from `start` metres on.
    """

    count: int
    vertex: Ints
    ends: Ints
    length: Floats
    line: Ints
    start: Floats


def network_from_graph(graph: nx.MultiGraph) -> Network:
    """Turn a graph with nodes `x y` and edges `geometry` into arrays; nodes keep their order."""
    number = {node: index for index, node in enumerate(graph)}
    nodes = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)], dtype=float).reshape(-1, 2)
    edges = list(graph.edges(data="geometry"))
    lines = np.array([line for *_, line in edges], dtype=object)
    ends = np.array([(number[u], number[v]) for u, v, _ in edges], dtype=np.int64).reshape(-1, 2)
    lengths = np.asarray(shapely.length(lines), dtype=float)
    return Network(nodes, lines, _along_lines(nodes, lines, ends), lengths)


def places_near(network: Network, points: npt.NDArray[Any], max_m: float) -> Places:
    """The place on the nearest line for each shapely point (K,); nowhere when that is farther than `max_m`."""
    line, offset = np.full(len(points), -1, dtype=np.int64), np.zeros(len(points))
    if len(network.lines) and len(points):
        tree = shapely.STRtree(network.lines)
        found, nearest = tree.query_nearest(points, max_distance=max_m, all_matches=False)
        line[found] = nearest
        offset[found] = shapely.line_locate_point(network.lines[nearest], points[found])
    return Places(line, offset)


def xy_of(network: Network, places: Places) -> Floats:
    """Coordinates (K, 2) of places that lie somewhere."""
    return np.asarray(
        shapely.get_coordinates(shapely.line_interpolate_point(network.lines[places.line], places.offset))
    )


def cut_at(network: Network, places: Places) -> Pieces:
    """Cut the lines of a network at places; those at an end of a line are the node there."""
    count, lines = len(network.nodes), np.arange(len(network.lines))
    vertex, inner = _vertices(network, places)
    _, first = np.unique(vertex[inner], return_index=True)
    new = np.flatnonzero(inner)[first]
    line = np.concatenate([lines, places.line[new], lines])
    offset = np.concatenate([np.zeros(len(lines)), places.offset[new], network.lengths])
    at = np.concatenate([network.ends[:, 0], vertex[new], network.ends[:, 1]])
    order = np.lexsort([offset, line])
    line, offset, at = line[order], offset[order], at[order]
    is_piece = line[1:] == line[:-1]
    ends = np.stack([at[:-1], at[1:]], axis=1)[is_piece]
    return Pieces(count + len(new), vertex, ends, np.diff(offset)[is_piece], line[:-1][is_piece], offset[:-1][is_piece])


def iter_path_lengths(
    pieces: Pieces, sources: Ints, targets: Ints, *, limit_m: float = np.inf
) -> Iterator[tuple[Ints, Floats]]:
    """Lengths of the shortest paths in metres, a block of sources at a time: their indices, and (block, targets).

    A path that does not exist or is longer than `limit_m` is infinite. A vertex of -1 lies nowhere and has no path.
    """
    matrix, has_place = _shortest_links(pieces), targets >= 0
    for first in range(0, len(sources), _SOURCES_AT_ONCE):
        block = np.arange(first, min(first + _SOURCES_AT_ONCE, len(sources)))
        lengths = np.full((len(block), len(targets)), np.inf)
        rows = np.flatnonzero(sources[block] >= 0)
        if len(rows):
            found = dijkstra(matrix, directed=False, indices=sources[block[rows]], limit=limit_m)
            lengths[np.ix_(rows, has_place)] = found[:, targets[has_place]]
        yield block, lengths


def path_lengths(pieces: Pieces, sources: Ints, targets: Ints, *, limit_m: float = np.inf) -> Floats:
    """The same for all sources at once: (sources, targets)."""
    blocks = [lengths for _, lengths in iter_path_lengths(pieces, sources, targets, limit_m=limit_m)]
    return np.concatenate([*blocks, np.empty((0, len(targets)))])


def _along_lines(nodes: Floats, lines: npt.NDArray[Any], ends: Ints) -> Ints:
    # An undirected edge does not say which of its nodes the line starts at.
    if not len(lines):
        return ends
    first, last = (shapely.get_coordinates(shapely.get_point(lines, index)) for index in (0, -1))
    u, v = nodes[ends[:, 0]], nodes[ends[:, 1]]
    ahead = np.hypot(*(first - u).T) + np.hypot(*(last - v).T)
    back = np.hypot(*(first - v).T) + np.hypot(*(last - u).T)
    return np.where((back < ahead)[:, None], ends[:, ::-1], ends)


def _vertices(network: Network, places: Places) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The vertex of each place, and whether it lies between the ends of its line."""
    vertex = np.full(len(places.line), -1, dtype=np.int64)
    found = places.line >= 0
    at_start = found & (places.offset < _SAME_M)
    at_end = found & ~at_start & (places.offset > network.lengths[places.line] - _SAME_M) if found.any() else found
    vertex[at_start] = network.ends[places.line[at_start], 0]
    vertex[at_end] = network.ends[places.line[at_end], 1]
    inner = found & ~at_start & ~at_end
    keys = np.stack([places.line[inner], np.round(places.offset[inner] / _SAME_M).astype(np.int64)], axis=1)
    _, number = np.unique(keys, axis=0, return_inverse=True)
    vertex[inner] = len(network.nodes) + number.reshape(-1)
    return vertex, inner


def _shortest_links(pieces: Pieces) -> sp.csr_array:
    # A sparse matrix would add parallel pieces up; only the shortest one matters.
    low, high = pieces.ends.min(axis=1, initial=pieces.count), pieces.ends.max(axis=1, initial=0)
    order = np.lexsort([pieces.length, high, low])
    _, first = np.unique(np.stack([low, high], axis=1)[order], axis=0, return_index=True)
    chosen = order[first]
    links = (np.maximum(pieces.length[chosen], _SAME_M), (low[chosen], high[chosen]))
    return sp.csr_array(links, shape=(pieces.count, pieces.count))


# Lines to a road graph, as osmnx reads them: what shares a vertex is connected.

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


# A network walked in hops of two metres, as Sat2Graph measures it.

HOP_M = 2.0
_WHOLE_M = 3.0


@dataclass(frozen=True)
class Hops:
    """Points at most 3 m apart on all lines, in their order along each line.

    `chain` (E + 1,) says where the points of each line begin; `vertex` (V, first) which point stands for each vertex.
    """

    places: Places
    xy: npt.NDArray[np.float64]
    chain: Ints
    vertex: Ints
    first: Ints
    neighbors: sp.csr_array

    def around(self, vertex: int, hops: int) -> set[int]:
        """The vertices within so many hops of one, itself among them."""
        reached = edge = {vertex}
        for _ in range(hops):
            edge = {int(near) for at in edge for near in self._next_to(at)} - reached
            reached = reached | edge
        return reached

    def _next_to(self, vertex: int) -> Ints:
        return np.asarray(self.neighbors.indices[self.neighbors.indptr[vertex] : self.neighbors.indptr[vertex + 1]])


def hops_from_network(network: Network) -> Hops:
    """Divide each straight part over 3 m into hops of at most 2 m; shorter parts stay whole."""
    offsets = [_offsets(line) for line in network.lines]
    counts = np.array([len(offset) for offset in offsets], dtype=np.int64)
    line = np.repeat(np.arange(len(offsets)), counts)
    places = Places(line, np.concatenate([*offsets, np.empty(0)]))
    pieces = cut_at(network, places)
    _, first = np.unique(pieces.vertex, return_index=True)
    chain = np.concatenate([[0], np.cumsum(counts)])
    return Hops(places, xy_of(network, places), chain, pieces.vertex, first, _neighbors(pieces))


def _offsets(line: shapely.LineString) -> npt.NDArray[np.float64]:
    parts = np.hypot(*np.diff(shapely.get_coordinates(line), axis=0).T)
    counts = np.where(parts > _WHOLE_M, parts // HOP_M + 1, 1).astype(np.int64)
    steps = np.repeat(parts / counts, counts)
    return np.concatenate([[0.0], np.cumsum(steps)[:-1], [line.length]])


def _neighbors(pieces: Pieces) -> sp.csr_array:
    u, v = pieces.ends.T
    links = (np.ones(2 * len(u)), (np.concatenate([u, v]), np.concatenate([v, u])))
    return sp.csr_array(links, shape=(pieces.count, pieces.count))

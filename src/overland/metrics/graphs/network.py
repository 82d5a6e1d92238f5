"""Road graphs from lines, and as arrays: places on their lines, cuts at them, lengths of shortest paths between them.

A road graph is an undirected networkx MultiGraph in a metric projection: nodes carry `x` and `y`, edges `geometry` (a
LineString) and `length_m`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree
from shapely.ops import substring

from overland.metrics.arrays import Bools, Floats, Ints

__all__ = [
    "HOP_M",
    "Hops",
    "Lines",
    "Network",
    "Pieces",
    "Places",
    "anchored",
    "cut_at",
    "drop_short_subgraphs",
    "graph_from_lines",
    "hops_from_network",
    "iter_path_lengths",
    "network_from_graph",
    "path_lengths",
    "places_near",
    "points_at",
    "ring_nodes",
    "simplified",
    "xy_of",
]


Lines = npt.NDArray[np.object_]
"""Shapely LineStrings or Points (n,)."""

HOP_M = 2.0
"""The longest hop of Sat2Graph's walks, in metres."""

_WHOLE_M = 3.0
# Two places closer than this are one: shortest paths need lengths above zero.
_SAME_M = 1e-6
_SOURCES_AT_ONCE = 128
# Larger pieces are never short; the reference stops here as well, since all pairs of nodes are measured.
_MAX_NODES_MEASURED = 100


@dataclass(frozen=True)
class Network:
    """A road graph as arrays.

    Attributes:
        nodes: x and y of the nodes (N, 2), in metres.
        lines: LineStrings of the edges (E,).
        ends: The nodes at the first and last point of each line (E, 2).
        lengths: Lengths of the lines (E,), in metres.
    """

    nodes: Floats
    lines: Lines
    ends: Ints
    lengths: Floats


@dataclass(frozen=True)
class Places:
    """Points on the lines of a network.

    Attributes:
        line: Index of the line of each (K,), -1 for nowhere.
        offset: Metres from the start of that line (K,).
    """

    line: Ints
    offset: Floats

    def __getitem__(self, chosen: Ints | Bools) -> Places:
        return Places(self.line[chosen], self.offset[chosen])


@dataclass(frozen=True)
class Pieces:
    """A network cut at places; its vertices 0 to N - 1 are the nodes, the rest are the places.

    Attributes:
        count: Number of vertices.
        vertex: The vertex of each place (K,), -1 for nowhere.
        ends: Both vertices of each piece (P, 2).
        length: Length of each piece (P,), in metres.
        line: The line that it is a piece of (P,).
        start: Metres from the start of that line to the piece (P,).
    """

    count: int
    vertex: Ints
    ends: Ints
    length: Floats
    line: Ints
    start: Floats


def network_from_graph(graph: nx.MultiGraph[int]) -> Network:
    """Turn a road graph into arrays.

    Args:
        graph: A road graph.

    Returns:
        The same as arrays; nodes keep their order.
    """
    number = {node: index for index, node in enumerate(graph)}
    nodes = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)], dtype=float).reshape(-1, 2)
    edges: list[tuple[int, int, shapely.LineString]] = list(graph.edges(data="geometry"))
    lines = np.array([line for *_, line in edges], dtype=object)
    ends = np.array([(number[u], number[v]) for u, v, _ in edges], dtype=np.int64).reshape(-1, 2)
    lengths = np.asarray(shapely.length(lines), dtype=float)
    if len(lines):
        # An undirected edge does not say which of its nodes the line starts at.
        first, last = (shapely.get_coordinates(shapely.get_point(lines, index)) for index in (0, -1))
        from_u, from_v = nodes[ends[:, 0]], nodes[ends[:, 1]]
        ahead = np.hypot(*(first - from_u).T) + np.hypot(*(last - from_v).T)
        back = np.hypot(*(first - from_v).T) + np.hypot(*(last - from_u).T)
        ends = np.where((back < ahead)[:, None], ends[:, ::-1], ends)
    return Network(nodes, lines, ends, lengths)


def places_near(network: Network, points: Lines, max_m: float) -> Places:
    """Find the nearest place on the lines of a network.

    Args:
        network: The network.
        points: Shapely points (K,).
        max_m: Largest distance in metres.

    Returns:
        A place for each point; nowhere when the nearest line is farther.
    """
    line, offset = np.full(len(points), -1, dtype=np.int64), np.zeros(len(points))
    if len(network.lines) and len(points):
        tree = shapely.STRtree(network.lines)
        found, nearest = tree.query_nearest(points, max_distance=max_m, all_matches=False)
        line[found] = nearest
        offset[found] = shapely.line_locate_point(network.lines[nearest], points[found])
    return Places(line, offset)


def points_at(xy: Floats) -> Lines:
    """Turn coordinates into shapely points.

    Args:
        xy: Coordinates (K, 2).

    Returns:
        Points (K,).
    """
    return np.asarray(shapely.points(xy), dtype=np.object_).reshape(-1)


def xy_of(network: Network, places: Places) -> Floats:
    """Return the coordinates of places.

    Args:
        network: The network.
        places: Places (K,) that lie somewhere.

    Returns:
        x and y (K, 2), in metres.
    """
    return np.asarray(
        shapely.get_coordinates(shapely.line_interpolate_point(network.lines[places.line], places.offset))
    )


def cut_at(network: Network, places: Places) -> Pieces:
    """Cut the lines of a network at places; those at an end of a line are the node there.

    Args:
        network: The network.
        places: Places (K,); those of nowhere cut nothing.

    Returns:
        The pieces between nodes and places.
    """
    count, lines = len(network.nodes), np.arange(len(network.lines))
    vertex = np.full(len(places.line), -1, dtype=np.int64)
    found = places.line >= 0
    at_start = found & (places.offset < _SAME_M)
    at_end = found & ~at_start & (places.offset > network.lengths[places.line] - _SAME_M) if found.any() else found
    vertex[at_start] = network.ends[places.line[at_start], 0]
    vertex[at_end] = network.ends[places.line[at_end], 1]
    # Between the ends of a line, places that are one get one vertex.
    inner = found & ~at_start & ~at_end
    keys = np.stack([places.line[inner], np.round(places.offset[inner] / _SAME_M).astype(np.int64)], axis=1)
    _, number = np.unique(keys, axis=0, return_inverse=True)
    vertex[inner] = count + number.reshape(-1)
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
    """Measure shortest paths, a block of sources at a time.

    Args:
        pieces: A network cut at places.
        sources: Vertices (S,); one of -1 lies nowhere and has no path.
        targets: Vertices (T,), likewise.
        limit_m: Longer paths are not looked for, in metres.

    Yields:
        The indices of a block of sources (B,), and the lengths of their paths to all targets (B, T) in metres, infinite
        where there is no path.
    """
    # A sparse matrix would add parallel pieces up; only the shortest one matters.
    low, high = pieces.ends.min(axis=1, initial=pieces.count), pieces.ends.max(axis=1, initial=0)
    order = np.lexsort([pieces.length, high, low])
    _, shortest = np.unique(np.stack([low, high], axis=1)[order], axis=0, return_index=True)
    chosen = order[shortest]
    links = (np.maximum(pieces.length[chosen], _SAME_M), (low[chosen], high[chosen]))
    matrix = sp.csr_array(links, shape=(pieces.count, pieces.count))
    has_place = targets >= 0
    for first in range(0, len(sources), _SOURCES_AT_ONCE):
        block = np.arange(first, min(first + _SOURCES_AT_ONCE, len(sources)))
        lengths = np.full((len(block), len(targets)), np.inf)
        rows = np.flatnonzero(sources[block] >= 0)
        if len(rows):
            found = dijkstra(matrix, directed=False, indices=sources[block[rows]], limit=limit_m)
            lengths[np.ix_(rows, has_place)] = found[:, targets[has_place]]
        yield block, lengths


def path_lengths(pieces: Pieces, sources: Ints, targets: Ints, *, limit_m: float = np.inf) -> Floats:
    """Measure shortest paths of all sources at once.

    Args:
        pieces: As in `iter_path_lengths`.
        sources: As in `iter_path_lengths`.
        targets: As in `iter_path_lengths`.
        limit_m: As in `iter_path_lengths`.

    Returns:
        Lengths (S, T) in metres, infinite where there is no path.
    """
    blocks = [lengths for _, lengths in iter_path_lengths(pieces, sources, targets, limit_m=limit_m)]
    return np.concatenate([*blocks, np.empty((0, len(targets)))])


def graph_from_lines(lines: Sequence[shapely.LineString] | Lines, *, snap_m: float = 0.1) -> nx.MultiGraph[int]:
    """Build the road graph of lines.

    Lines are connected where they share a vertex; lines that cross without a common vertex (at a bridge) are not.
    Lines that run twice over the same vertices count once.

    Args:
        lines: LineStrings in a metric projection.
        snap_m: Lines are connected, too, where one ends within so many metres of a vertex of another.

    Returns:
        A graph whose nodes are crossings, T-junctions and ends, and one for a free ring. They are numbered in the order
        of their coordinates and carry `x` and `y`, edges `geometry` (LineString) and `length_m`.

    Source: the conventions of osmnx (vertices are nodes, then the graph is simplified).
    """
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    segments = _segments(np.asarray(lines, dtype=object), snap_m)
    if not len(segments):
        return graph
    merged = shapely.get_parts(shapely.line_merge(shapely.MultiLineString(segments.tolist())))
    ends = np.stack([shapely.get_coordinates(shapely.get_point(merged, index)) for index in (0, -1)], axis=1)
    nodes, number = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    graph.add_nodes_from((index, {"x": float(x), "y": float(y)}) for index, (x, y) in enumerate(nodes))
    pairs = number.reshape(-1, 2).tolist()
    for (u, v), line in sorted(zip(pairs, merged, strict=True), key=lambda edge: (edge[0], edge[1].length)):
        graph.add_edge(u, v, geometry=line, length_m=float(line.length))
    return graph


def simplified(graph: nx.MultiGraph[int]) -> nx.MultiGraph[int]:
    """Remove nodes that only join two edges.

    Args:
        graph: A road graph.

    Returns:
        A new graph of the same roads.
    """
    return graph_from_lines([data["geometry"] for *_, data in graph.edges(data=True)], snap_m=0)


def drop_short_subgraphs(graph: nx.MultiGraph[int], min_length_m: float) -> nx.MultiGraph[int]:
    """Leave out short connected pieces of a road graph.

    Args:
        graph: A road graph.
        min_length_m: Pieces go whose longest shortest path between nodes is shorter, in metres.

    Returns:
        The graph of the others.
    """
    kept: list[int] = []
    for nodes in nx.connected_components(graph):
        piece, longest_m = graph.subgraph(nodes), np.inf
        if len(piece) <= _MAX_NODES_MEASURED:
            paths = dict(nx.all_pairs_dijkstra_path_length(piece, weight="length_m"))
            # From its node, the far side of a ring is half a turn away.
            rings = [data["length_m"] / 2 for u, v, data in piece.edges(data=True) if u == v]
            longest_m = float(max([*rings, *(length for row in paths.values() for length in row.values())]))
        if longest_m >= min_length_m:
            kept += piece
    return graph.subgraph(kept)


def ring_nodes(graph: nx.MultiGraph[int]) -> list[int]:
    """Find the nodes of free rings: a ring without a junction begins anywhere.

    Args:
        graph: A road graph.

    Returns:
        The node of each free ring.
    """
    return [u for u, v in graph.edges() if u == v and graph.degree(u) == 2]


def anchored(graph: nx.MultiGraph[int], points: Lines, max_m: float, *, rings_only: bool = False) -> nx.MultiGraph[int]:
    """Give a road graph nodes at points on its lines, where it has none within reach.

    A free ring begins where its nearest point lies; other lines are split there.

    Args:
        graph: A road graph.
        points: Shapely points (n,).
        max_m: Largest distance of a point and its line or node, in metres.
        rings_only: Move the beginnings of free rings, and split nothing.

    Returns:
        A new graph of the same roads.
    """
    graph = graph.copy()
    for point in points:
        nodes = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2)
        rings = set(ring_nodes(graph))
        at = np.hypot(*(nodes - (point.x, point.y)).T) <= max_m
        if any(not rings_only or node in rings for node, is_near in zip(graph, at, strict=True) if is_near):
            continue
        near = [
            (data["geometry"].distance(point), u, v, key)
            for u, v, key, data in graph.edges(keys=True, data=True)
            if not rings_only or u in rings
        ]
        distance, u, v, key = min(near, default=(np.inf, 0, 0, 0))
        if distance <= max_m:
            _put_node(graph, (u, v, key), point, is_ring=u in rings)
    return graph


def _put_node(graph: nx.MultiGraph[int], edge: tuple[int, int, int], point: shapely.Point, *, is_ring: bool) -> None:
    line = graph.edges[edge]["geometry"]
    offset = line.project(point)
    place = line.interpolate(offset)
    head, tail = substring(line, 0, offset), substring(line, offset, line.length)
    if is_ring:
        graph.nodes[edge[0]].update(x=place.x, y=place.y)
        graph.edges[edge]["geometry"] = shapely.LineString([*tail.coords, *list(head.coords)[1:]])
        return
    graph.remove_edge(*edge)
    node = max(graph) + 1
    graph.add_node(node, x=place.x, y=place.y)
    u, v = edge[:2]
    at_u = shapely.Point(graph.nodes[u]["x"], graph.nodes[u]["y"])
    first, last = (u, v) if at_u.distance(head) <= at_u.distance(tail) else (v, u)
    graph.add_edge(first, node, geometry=head, length_m=float(head.length))
    graph.add_edge(node, last, geometry=tail, length_m=float(tail.length))


def _segments(lines: Lines, snap_m: float) -> Lines:
    xy, line = shapely.get_coordinates(lines, return_index=True)
    if not len(xy):
        return np.array([], dtype=object)
    is_last = np.append(line[1:] != line[:-1], True)
    is_first = np.insert(is_last[:-1], 0, True)
    is_end = is_first | is_last
    close = cKDTree(xy).query_pairs(snap_m, output_type="ndarray")
    close = close[is_end[close].any(axis=1)]
    links = sp.coo_array((np.ones(len(close)), (close[:, 0], close[:, 1])), shape=(len(xy), len(xy)))
    _, cluster = connected_components(links, directed=False)
    _, first = np.unique(cluster, return_index=True)
    xy = xy[first[cluster]]
    start, end = xy[~is_last], xy[~is_first]
    start, end = start[(start != end).any(axis=1)], end[(start != end).any(axis=1)]
    # Both directions of a segment are one, so that the smaller point comes first.
    is_turned = (end[:, 0] < start[:, 0]) | ((end[:, 0] == start[:, 0]) & (end[:, 1] < start[:, 1]))
    pairs = np.where(is_turned[:, None], np.hstack([end, start]), np.hstack([start, end]))
    return np.asarray(shapely.linestrings(np.unique(pairs, axis=0).reshape(-1, 2, 2)), dtype=object)


@dataclass(frozen=True)
class Hops:
    """A network walked in hops of two metres, as Sat2Graph measures it: points at most 3 m apart on all lines.

    Attributes:
        places: The points (H,) in their order along each line.
        xy: Their coordinates (H, 2), in metres.
        chain: Index of the first point of each line among them (E + 1,).
        vertex: The vertex of each point (H,); ends of lines share the vertex of their node.
        first: The first point of each vertex (V,).
        neighbors: Which vertices are one hop apart (V, V), sparse.
    """

    places: Places
    xy: Floats
    chain: Ints
    vertex: Ints
    first: Ints
    neighbors: sp.csr_array

    def around(self, vertex: int, hops: int) -> set[int]:
        """Return the vertices within some hops of one, itself among them.

        Args:
            vertex: The vertex.
            hops: Number of hops.
        """
        links, next_to = self.neighbors.indptr, self.neighbors.indices
        reached = edge = {vertex}
        for _ in range(hops):
            edge = {int(near) for at in edge for near in next_to[links[at] : links[at + 1]]} - reached
            reached = reached | edge
        return reached


def hops_from_network(network: Network) -> Hops:
    """Divide each straight part of a network over 3 m into hops of at most 2 m; shorter parts stay whole.

    Args:
        network: The network.

    Returns:
        The points of the hops.
    """
    offsets = []
    for each in network.lines:
        parts = np.hypot(*np.diff(shapely.get_coordinates(each), axis=0).T)
        hops = np.where(parts > _WHOLE_M, parts // HOP_M + 1, 1).astype(np.int64)
        steps = np.repeat(parts / hops, hops)
        offsets.append(np.concatenate([[0.0], np.cumsum(steps)[:-1], [each.length]]))
    counts = np.array([len(offset) for offset in offsets], dtype=np.int64)
    line = np.repeat(np.arange(len(offsets)), counts)
    places = Places(line, np.concatenate([*offsets, np.empty(0)]))
    pieces = cut_at(network, places)
    _, first = np.unique(pieces.vertex, return_index=True)
    chain = np.concatenate([[0], np.cumsum(counts)])
    u, v = pieces.ends.T
    links = (np.ones(2 * len(u)), (np.concatenate([u, v]), np.concatenate([v, u])))
    neighbors = sp.csr_array(links, shape=(pieces.count, pieces.count))
    return Hops(places, xy_of(network, places), chain, pieces.vertex, first, neighbors)

"""A road graph as arrays: places on its lines, cuts at them, and lengths of shortest paths between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import shapely
from scipy.sparse.csgraph import dijkstra

__all__ = [
    "Network",
    "Pieces",
    "Places",
    "cut_at",
    "iter_path_lengths",
    "network_from_graph",
    "path_lengths",
    "places_near",
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

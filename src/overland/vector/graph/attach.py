"""Free ends led on to a place along another road, which is split there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import numpy as np
import numpy.typing as npt

from overland.vector.graph.ends import bridge
from overland.vector.graph.paths import Edge, add_path, dissolve_chains, path_distances, path_length

__all__ = ["Hit", "attach_ends"]


@dataclass(frozen=True)
class Hit:
    """A free end and where it meets another road: `position` in metres along the path of `edge`.

    `way` are the points (n, 2) between, None for a straight bridge.
    """

    end: int
    edge: Edge
    position: float
    way: npt.NDArray[np.float64] | None = None


def attach_ends(graph: nx.MultiGraph, hits: Iterable[Hit]) -> None:
    """Bridge each end to where it meets a road; a node within half the width of that road is used again."""
    by_edge: dict[Edge, list[Hit]] = {}
    for hit in hits:
        by_edge.setdefault(hit.edge, []).append(hit)
    for edge, on_edge in by_edge.items():
        _attach(graph, edge, sorted(on_edge, key=lambda hit: (hit.position, hit.end)))
    dissolve_chains(graph)


def _attach(graph: nx.MultiGraph, edge: Edge, hits: Sequence[Hit]) -> None:
    path, first = graph.edges[edge]["path"], graph.edges[edge]["start"]
    last = edge[1] if first == edge[0] else edge[0]
    length, snap = path_length(path), float(np.nanmedian(path[:, 2]))
    stops, bridges, new = [(0.0, first)], [], max(graph.nodes) + 1
    for hit in hits:
        before, node = stops[-1]
        if hit.position >= length - snap:
            node = last
        elif hit.position > before + snap:
            node, new = new, new + 1
            stops.append((hit.position, node))
        bridges.append((hit.end, node, hit.way))
    _split(graph, edge, [*stops, (length, last)])
    for end, node, way in bridges:
        # Two ends may each meet the other's road at its end: one bridge is enough.
        if not graph.has_edge(end, node):
            bridge(graph, end, node, way)


def _split(graph: nx.MultiGraph, edge: Edge, stops: Sequence[tuple[float, int]]) -> None:
    """Cut an edge at positions along its path; the first and the last stop are its ends."""
    path = graph.edges[edge]["path"]
    graph.remove_edge(*edge)
    along = path_distances(path)
    points = [np.array([np.interp(position, along, column) for column in path.T]) for position, _ in stops]
    for (_, node), point in zip(stops[1:-1], points[1:-1], strict=True):
        graph.add_node(node, xy=point[:2], border=False)
    for (start, end), (head, tail) in zip(pairwise(stops), pairwise(points), strict=True):
        is_between = (along > start[0]) & (along < end[0])
        add_path(graph, start[1], end[1], np.vstack([head, path[is_between], tail]))

"""A road that breaks off just before the side of another one is led on to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
import shapely

from overland.vector.graph.ends import bridge, heading_at
from overland.vector.graph.paths import (
    Edge,
    add_path,
    dissolve_chains,
    free_ends,
    half_width_at,
    path_distances,
    path_length,
)

__all__ = ["join_ends_to_edges"]


def join_ends_to_edges(graph: nx.MultiGraph, *, max_gap_m: float, pixel_size_m: tuple[float, float]) -> None:
    """Lead free ends straight on to the road whose side they meet within `max_gap_m`.

    The new junction is put on an existing node where one lies within half the width of the road.
    """
    ends, edges = free_ends(graph), list(graph.edges(keys=True))
    if max_gap_m <= 0:
        return
    rays = [_ray(graph, end, max_gap_m, min(pixel_size_m)) for end in ends]
    lines = [shapely.LineString(graph.edges[edge]["path"][:, :2]) for edge in edges]
    hits: dict[Edge, list[tuple[float, int]]] = {}
    for ray, line, position in _first_hits(rays, lines):
        if ends[ray] not in edges[line][:2]:
            hits.setdefault(edges[line], []).append((position, ends[ray]))
    for edge, hits_on_edge in hits.items():
        _attach(graph, edge, sorted(hits_on_edge))
    dissolve_chains(graph)


def _ray(graph: nx.MultiGraph, end: int, reach_m: float, pixel_m: float) -> shapely.LineString:
    # The centre line of the road ahead lies half a width behind its side; it is taken to be as wide as this one.
    # The ray starts a hair ahead, so that it does not meet the road that it comes from.
    start, heading = graph.nodes[end]["xy"], heading_at(graph, end, pixel_m)
    reach_m += half_width_at(graph, end)
    return shapely.LineString([start + 1e-3 * pixel_m * heading, start + reach_m * heading])


def _first_hits(
    rays: Sequence[shapely.LineString], lines: Sequence[shapely.LineString]
) -> Iterator[tuple[int, int, float]]:
    """The first line that each ray meets: numbers of the ray and of the line, and where along the line."""
    tree = shapely.STRtree(lines)
    for number, ray in enumerate(rays):
        met = np.sort(tree.query(ray, predicate="intersects"))
        if len(met):
            start = shapely.get_point(ray, 0)
            distances = shapely.distance(start, shapely.intersection(ray, tree.geometries[met]))
            line = int(met[np.argmin(distances)])
            crossing = shapely.line_interpolate_point(ray, distances.min())
            yield number, line, float(shapely.line_locate_point(lines[line], crossing))


def _attach(graph: nx.MultiGraph, edge: Edge, hits: Sequence[tuple[float, int]]) -> None:
    """Bridge free ends to positions along an edge, which is split there."""
    path, first = graph.edges[edge]["path"], graph.edges[edge]["start"]
    last = edge[1] if first == edge[0] else edge[0]
    length, snap = path_length(path), float(np.nanmedian(path[:, 2]))
    stops, bridges, new = [(0.0, first)], [], max(graph.nodes) + 1
    for position, end in hits:
        if snap < position < length - snap:
            bridges.append((end, new))
            stops.append((position, new))
            new += 1
        else:
            bridges.append((end, first if position <= snap else last))
    _split(graph, edge, [*stops, (length, last)])
    for end, node in bridges:
        # Two ends may each meet the other's road at its end: one bridge is enough.
        if not graph.has_edge(end, node):
            bridge(graph, end, node)


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

"""A road that breaks off just before the side of another one is led on to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import networkx as nx
import numpy as np
import shapely

from overland.vector.graph.attach import Hit, attach_ends
from overland.vector.graph.ends import heading_at
from overland.vector.graph.paths import free_ends, half_width_at

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
    attach_ends(
        graph,
        (
            Hit(ends[ray], edges[line], position)
            for ray, line, position in _first_hits(rays, lines)
            if ends[ray] not in edges[line][:2]
        ),
    )


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

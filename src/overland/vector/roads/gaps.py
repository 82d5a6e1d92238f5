"""Free ends of roads: extended to where the mask ends, joined to the end that they face, or to the side of a road."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx
import numpy as np
import shapely
from scipy.spatial import KDTree

from overland.cleaning.components import BitMask
from overland.vector.layer import Floats
from overland.vector.roads.trace import (
    Edge,
    add_path,
    dissolve_chains,
    free_ends,
    half_width_at,
    path_distances,
    path_from,
    path_length,
    set_end,
)

__all__ = [
    "Hit",
    "attach_ends",
    "extend_ends",
    "fill_gap",
    "heading_at",
    "join_ends",
    "join_ends_to_edges",
]

# Thinning hooks into a corner of a road's end: so long is the part that says nothing about where the road points.
_HOOK_HALF_WIDTHS = 2.0
_LOOKBACK_HALF_WIDTHS = 7.0
_LOOKBACK_PIXELS = 12.0


def heading_at(graph: nx.MultiGraph[int], end: int, pixel_m: float) -> Floats:
    """Return the direction in which a road runs out at its free end, taken over some widths of it (12 pixels at least).

    Args:
        graph: The working graph.
        end: A node of degree 1.
        pixel_m: Side of a pixel in metres.

    Returns:
        A vector (2,) of length 1.
    """
    [(_, _, data)] = graph.edges(end, data=True)
    path = path_from(data, end)[:, :2]
    half_width = half_width_at(graph, end)
    along = path_distances(path)
    far = min(max(_LOOKBACK_HALF_WIDTHS * half_width, _LOOKBACK_PIXELS * pixel_m), along[-1])
    distances = np.linspace(min(_HOOK_HALF_WIDTHS * half_width, far / 2), far, 16)
    points = np.column_stack([np.interp(distances, along, column) for column in path.T])
    direction = (distances.mean() - distances) @ points
    return np.asarray(direction / max(float(np.hypot(*direction)), 1e-9), dtype=float)


def extend_ends(graph: nx.MultiGraph[int], mask: BitMask, *, pixel_size_m: tuple[float, float]) -> None:
    """Extend every free end straight to where the mask ends, in place, since thinning stops short of it.

    The last width of the centre line is drawn anew, because thinning hooks into a corner there.

    Args:
        graph: The working graph.
        mask: The road mask of the scene.
        pixel_size_m: Width and height of a pixel in metres.
    """
    for end in free_ends(graph):
        [(_, _, data)] = graph.edges(end, data=True)
        path, half_width = path_from(data, end), half_width_at(graph, end)
        along = path_distances(path)
        cut = min(_HOOK_HALF_WIDTHS * half_width, along[-1] / 2)
        rest = path[along >= cut]
        heading = heading_at(graph, end, min(pixel_size_m))
        # The last point ahead up to which all pixels are road.
        reach_m, step = (_HOOK_HALF_WIDTHS + 2) * half_width, min(pixel_size_m) / 4
        points = rest[0, :2] + np.arange(0, reach_m + step, step)[:, None] * heading
        cols, rows = np.floor(points / pixel_size_m).astype(int).T
        is_road = mask.at(rows, cols)
        is_road[0] = True
        tip = points[-1 if is_road.all() else int(np.argmin(is_road)) - 1]
        set_end(data, end, np.vstack([[*tip, half_width], rest]))
        graph.nodes[end]["xy"] = tip


def join_ends(
    graph: nx.MultiGraph[int],
    *,
    max_gap_m: float,
    max_aside_m: float,
    max_turn_deg: float,
    pixel_size_m: tuple[float, float],
) -> None:
    """Join, in place, pairs of free ends whose roads point at each other.

    The best pairs come first, and an end is used once. A piece that is too short to say where it points learns it from
    the road that it has been joined to: so there are rounds, until no pair is left.

    Args:
        graph: The working graph.
        max_gap_m: Largest distance of two ends in metres.
        max_aside_m: Each road, drawn on straight, misses the other's end by at most so many metres.
        max_turn_deg: Each road heads within so many degrees of the straight line between the ends.
        pixel_size_m: Width and height of a pixel in metres.

    Source: the post-processing of SpaceNet-3 albu and of CRESI.
    """
    while max_gap_m > 0:
        ends = free_ends(graph)
        if len(ends) < 2:
            break
        points = np.array([graph.nodes[end]["xy"] for end in ends])
        headings = np.array([heading_at(graph, end, min(pixel_size_m)) for end in ends])
        joined: set[int] = set()
        for one, other in _facing_pairs(points, headings, max_gap_m, max_aside_m, max_turn_deg):
            if one not in joined and other not in joined:
                joined.update((one, other))
                fill_gap(graph, ends[one], ends[other])
        if not joined:
            break
        dissolve_chains(graph)


def _facing_pairs(
    points: Floats, headings: Floats, max_gap_m: float, max_aside_m: float, max_turn_deg: float
) -> Iterator[tuple[int, int]]:
    one, other = KDTree(points).query_pairs(max_gap_m, output_type="ndarray").T
    across = points[other] - points[one]
    distance = np.hypot(*across.T)
    direction = across / np.maximum(distance, 1e-9)[:, None]
    # How well the worse of the two roads points across the gap.
    cosine = np.minimum((headings[one] * direction).sum(1), -(headings[other] * direction).sum(1))
    aside = distance * np.sqrt(1 - np.clip(cosine, 0, 1) ** 2)
    faces = (cosine >= np.cos(np.radians(max_turn_deg))) & (aside <= max_aside_m)
    order = np.lexsort((other, one, distance * (2 - cosine)))
    yield from ((int(one[i]), int(other[i])) for i in order if faces[i])


def fill_gap(graph: nx.MultiGraph[int], start: int, end: int, points: Floats | None = None) -> None:
    """Connect two nodes over a gap, in place.

    Args:
        graph: The working graph.
        start: One node.
        end: The other.
        points: The points (n, 2) between them, in metres; None for a straight line.
    """
    first, last = (np.append(graph.nodes[node]["xy"], half_width_at(graph, node)) for node in (start, end))
    if points is None or not len(points):
        points = (first + last)[None, :2] / 2
    gap = np.column_stack([points, np.full(len(points), np.nan)])
    add_path(graph, start, end, np.vstack([first, gap, last]))


@dataclass(frozen=True)
class Hit:
    """A free end and the place where it meets another road."""

    end: int
    """The node at the free end."""
    edge: Edge
    """The road that it meets."""
    position: float
    """The place where it meets that road, in metres along its path."""
    points: Floats | None = None
    """The points (n, 2) between, in metres; None for a straight line."""


def attach_ends(graph: nx.MultiGraph[int], hits: Iterable[Hit]) -> None:
    """Connect each end, in place, to where it meets a road, which is split there.

    Args:
        graph: The working graph.
        hits: The ends and places. A node within half the width of the road is used again.
    """
    by_edge: dict[Edge, list[Hit]] = {}
    for hit in hits:
        by_edge.setdefault(hit.edge, []).append(hit)
    for edge, on_edge in by_edge.items():
        _attach(graph, edge, sorted(on_edge, key=lambda hit: (hit.position, hit.end)))
    dissolve_chains(graph)


def _attach(graph: nx.MultiGraph[int], edge: Edge, hits: Sequence[Hit]) -> None:
    path, first = graph.edges[edge]["path"], graph.edges[edge]["start"]
    last = edge[1] if first == edge[0] else edge[0]
    length, snap = path_length(path), float(np.nanmedian(path[:, 2]))
    stops, connections, new = [(0.0, first)], [], max(graph.nodes) + 1
    for hit in hits:
        before, node = stops[-1]
        if hit.position >= length - snap:
            node = last
        elif hit.position > before + snap:
            node, new = new, new + 1
            stops.append((hit.position, node))
        connections.append((hit.end, node, hit.points))
    stops.append((length, last))
    # The edge is cut at the stops, of which the first and the last are its ends.
    graph.remove_edge(*edge)
    along = path_distances(path)
    cuts = [np.array([np.interp(position, along, column) for column in path.T]) for position, _ in stops]
    for (_, node), cut in zip(stops[1:-1], cuts[1:-1], strict=True):
        graph.add_node(node, xy=cut[:2], border=False)
    for (start, end), (head, tail) in zip(pairwise(stops), pairwise(cuts), strict=True):
        is_between = (along > start[0]) & (along < end[0])
        add_path(graph, start[1], end[1], np.vstack([head, path[is_between], tail]))
    for free, node, points in connections:
        # Two ends may each meet the other's road at its end: one connection is enough.
        if not graph.has_edge(free, node):
            fill_gap(graph, free, node, points)


def join_ends_to_edges(graph: nx.MultiGraph[int], *, max_gap_m: float, pixel_size_m: tuple[float, float]) -> None:
    """Extend free ends straight to the road whose side they meet, in place; that road is split there.

    The new junction is put on an existing node where one lies within half the width of the road.

    Args:
        graph: The working graph.
        max_gap_m: Largest distance of an end and the side of the road, in metres.
        pixel_size_m: Width and height of a pixel in metres.

    Source: an addition to SpaceNet-3 albu and CRESI, which join ends to ends alone.
    """
    ends, edges = free_ends(graph), list(graph.edges(keys=True))
    if max_gap_m <= 0:
        return
    lines = [shapely.LineString(graph.edges[edge]["path"][:, :2]) for edge in edges]
    tree = shapely.STRtree(lines)
    hits = []
    for end in ends:
        # The centre line of the road ahead lies half a width behind its side; it is taken to be as wide as this one.
        # The ray starts a hair ahead, so that it does not meet the road that it comes from.
        xy, heading = graph.nodes[end]["xy"], heading_at(graph, end, min(pixel_size_m))
        reach_m = max_gap_m + half_width_at(graph, end)
        ray = shapely.LineString([xy + 1e-3 * min(pixel_size_m) * heading, xy + reach_m * heading])
        met = np.sort(tree.query(ray, predicate="intersects"))
        if not len(met):
            continue
        distances = shapely.distance(shapely.get_point(ray, 0), shapely.intersection(ray, tree.geometries[met]))
        first = int(met[np.argmin(distances)])
        if end not in edges[first][:2]:
            crossing = shapely.line_interpolate_point(ray, distances.min())
            hits.append(Hit(end, edges[first], float(shapely.line_locate_point(lines[first], crossing))))
    attach_ends(graph, hits)

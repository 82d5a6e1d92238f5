"""Free ends of roads: where they point, drawn out to where the mask ends, and bridged to the end that they face."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from overland.vector.graph.paths import (
    add_path,
    dissolve_chains,
    free_ends,
    half_width_at,
    path_distances,
    path_from,
    set_end,
)
from overland.vector.graph.pixels import BitMask

__all__ = ["bridge", "extend_ends", "heading_at", "join_ends"]

Floats = npt.NDArray[np.float64]

# Thinning hooks into a corner of a road's end: so long is the part that says nothing about where the road points.
_HOOK_HALF_WIDTHS = 2.0
_LOOKBACK_HALF_WIDTHS = 7.0
_LOOKBACK_PIXELS = 12.0


def heading_at(graph: nx.MultiGraph, end: int, pixel_m: float) -> Floats:
    """Unit vector in which a road runs out at its free end, taken over some widths of it (12 pixels at least)."""
    [(_, _, data)] = graph.edges(end, data=True)
    path = path_from(data, end)[:, :2]
    half_width = half_width_at(graph, end)
    along = path_distances(path)
    far = min(max(_LOOKBACK_HALF_WIDTHS * half_width, _LOOKBACK_PIXELS * pixel_m), along[-1])
    distances = np.linspace(min(_HOOK_HALF_WIDTHS * half_width, far / 2), far, 16)
    points = np.column_stack([np.interp(distances, along, column) for column in path.T])
    direction = (distances.mean() - distances) @ points
    return np.asarray(direction / max(float(np.hypot(*direction)), 1e-9), dtype=float)


def extend_ends(graph: nx.MultiGraph, mask: BitMask, *, pixel_size_m: tuple[float, float]) -> None:
    """Draw every free end straight on to where the mask (height, width) ends, since thinning stops short of it.

    The last width of the centre line is drawn anew, because thinning hooks into a corner there.
    """
    for end in free_ends(graph):
        [(_, _, data)] = graph.edges(end, data=True)
        path, half_width = path_from(data, end), half_width_at(graph, end)
        along = path_distances(path)
        cut = min(_HOOK_HALF_WIDTHS * half_width, along[-1] / 2)
        rest = path[along >= cut]
        heading = heading_at(graph, end, min(pixel_size_m))
        tip = _last_road_point(mask, rest[0, :2], heading, (_HOOK_HALF_WIDTHS + 2) * half_width, pixel_size_m)
        set_end(data, end, np.vstack([[*tip, half_width], rest]))
        graph.nodes[end]["xy"] = tip


def join_ends(
    graph: nx.MultiGraph,
    *,
    max_gap_m: float,
    max_aside_m: float,
    max_turn_deg: float,
    pixel_size_m: tuple[float, float],
) -> None:
    """Bridge pairs of free ends up to `max_gap_m` apart whose roads point at each other.

    Both roads must head within `max_turn_deg` of the bridge and miss the other's end by at most `max_aside_m`. The
    best pairs come first, and an end is used once. A piece that is too short to say where it points learns it from the
    road that it has been joined to: so there are rounds, until no pair is left.
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
                bridge(graph, ends[one], ends[other])
        if not joined:
            break
        dissolve_chains(graph)


def bridge(graph: nx.MultiGraph, start: int, end: int, way: Floats | None = None) -> None:
    """Connect two nodes over a gap, straight or by the points (n, 2) of a way."""
    first, last = (np.append(graph.nodes[node]["xy"], half_width_at(graph, node)) for node in (start, end))
    if way is None or not len(way):
        way = (first + last)[None, :2] / 2
    gap = np.column_stack([way, np.full(len(way), np.nan)])
    add_path(graph, start, end, np.vstack([first, gap, last]))


def _facing_pairs(
    points: Floats, headings: Floats, max_gap_m: float, max_aside_m: float, max_turn_deg: float
) -> Iterator[tuple[int, int]]:
    one, other = KDTree(points).query_pairs(max_gap_m, output_type="ndarray").T
    across = points[other] - points[one]
    distance = np.hypot(*across.T)
    direction = across / np.maximum(distance, 1e-9)[:, None]
    # How well the worse of the two roads points along the bridge.
    cosine = np.minimum((headings[one] * direction).sum(1), -(headings[other] * direction).sum(1))
    aside = distance * np.sqrt(1 - np.clip(cosine, 0, 1) ** 2)
    faces = (cosine >= np.cos(np.radians(max_turn_deg))) & (aside <= max_aside_m)
    order = np.lexsort((other, one, distance * (2 - cosine)))
    yield from ((int(one[i]), int(other[i])) for i in order if faces[i])


def _last_road_point(
    mask: BitMask, start: Floats, heading: Floats, reach_m: float, pixel_size_m: tuple[float, float]
) -> Floats:
    """The point on a ray from `start` up to which all pixels are road; x and y in metres."""
    step = min(pixel_size_m) / 4
    points = start + np.arange(0, reach_m + step, step)[:, None] * heading
    cols, rows = np.floor(points / pixel_size_m).astype(int).T
    is_road = mask.at(rows, cols)
    is_road[0] = True
    return np.asarray(points[-1 if is_road.all() else int(np.argmin(is_road)) - 1], dtype=float)

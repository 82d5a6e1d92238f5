"""Skeleton pixels to the working graph: nodes where lines end or meet, and edges that carry a path of points.

A path is an array (n, 3) of x, y and the road's half width there, all in metres from the upper left corner of the
scene; a gap is crossed through a point whose half width is NaN. An edge keeps the node at which its path starts
(`start`), since an undirected edge does not. Nodes carry `xy`, and `border`: True where the scene ends.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse

from overland.vector.layer import Floats, Ints
from overland.vector.roads.skeleton import Centerlines

__all__ = [
    "Edge",
    "Path",
    "add_path",
    "dissolve_chains",
    "free_ends",
    "gap_filled_length",
    "half_width_at",
    "path_distances",
    "path_from",
    "path_length",
    "set_end",
    "trace_centerlines",
]

Path = Floats
"""Points (n, 3) of x, y and half width, in metres; the half width is NaN in a gap."""
Edge = tuple[int, int, int]
"""Both nodes of an edge, and its key among the edges between them."""


def add_path(graph: nx.MultiGraph[int], start: int, end: int, path: Path) -> None:
    """Add an edge along a path; the ends of the path are put exactly on the nodes.

    Args:
        graph: The working graph, changed in place.
        start: The node at which the path starts.
        end: The node at which it ends.
        path: Points (n, 3) as above.
    """
    path = path.copy()
    path[0, :2], path[-1, :2] = graph.nodes[start]["xy"], graph.nodes[end]["xy"]
    graph.add_edge(start, end, start=start, path=path)


def path_from(data: dict[str, Any], node: int) -> Path:
    """Return the path of an edge as seen from one of its nodes.

    Args:
        data: The attributes of the edge.
        node: The node that comes first.

    Returns:
        Points (n, 3).
    """
    path: Path = data["path"]
    return path if data["start"] == node else path[::-1]


def set_end(data: dict[str, Any], node: int, path: Path) -> None:
    """Replace the path of an edge.

    Args:
        data: The attributes of the edge, changed in place.
        node: The node that the new path starts from.
        path: Points (n, 3) as seen from that node.
    """
    data["path"] = path if data["start"] == node else path[::-1]


def path_length(path: Path) -> float:
    """Measure a path.

    Args:
        path: Points (n, 2) or (n, 3).

    Returns:
        Its length in metres.
    """
    return float(path_distances(path)[-1])


def path_distances(path: Floats) -> Floats:
    """Measure how far along a path each of its points lies.

    Args:
        path: Points (n, 2) or (n, 3).

    Returns:
        Distances from its start (n,), in metres.
    """
    return np.append(0.0, np.hypot(*np.diff(path[:, :2], axis=0).T).cumsum())


def gap_filled_length(path: Path) -> float:
    """Measure the part of a path that crosses gaps.

    Args:
        path: Points (n, 3) of x, y and half width.

    Returns:
        Its length in metres.
    """
    steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
    is_gap = np.isnan(path[:, 2])
    return float(steps[is_gap[1:] | is_gap[:-1]].sum())


def free_ends(graph: nx.MultiGraph[int]) -> list[int]:
    """Find the nodes where a road ends within the scene.

    Args:
        graph: The working graph.

    Returns:
        The nodes, in a stable order.
    """
    return [node for node, degree in graph.degree if degree == 1 and not graph.nodes[node]["border"]]


def half_width_at(graph: nx.MultiGraph[int], node: int) -> float:
    """Return half the width of the widest road at a node.

    Args:
        graph: The working graph.
        node: The node.

    Returns:
        Metres; 0 where nothing is known.
    """
    widths = [path_from(data, node)[0, 2] for _, _, data in graph.edges(node, data=True)]
    return float(np.nanmax(widths)) if np.isfinite(widths).any() else 0.0


def dissolve_chains(graph: nx.MultiGraph[int]) -> None:
    """Join, in place, the two edges at every node that only continues a road; a closed ring keeps one node.

    Args:
        graph: The working graph.
    """
    for node in [node for node, degree in graph.degree if degree == 2]:
        edges = list(graph.edges(node, keys=True, data=True))
        if len(edges) != 2 or graph.nodes[node]["border"]:
            continue
        (_, before, _, first), (_, after, _, second) = edges
        path = np.concatenate([path_from(first, node)[::-1], path_from(second, node)[1:]])
        graph.remove_node(node)
        add_path(graph, before, after, path)


def trace_centerlines(lines: Centerlines, *, pixel_size_m: tuple[float, float]) -> nx.MultiGraph[int]:
    """Build the working graph of skeleton pixels; single pixels are left out.

    Args:
        lines: The skeleton pixels of a scene.
        pixel_size_m: Width and height of a pixel in metres.

    Returns:
        The working graph. A ring without a junction gets one node. Nodes within two pixels of the scene's edge are
        marked as border.
    """
    columns = (lines.cols + 0.5) * pixel_size_m[0], (lines.rows + 0.5) * pixel_size_m[1], lines.half_widths_m
    points = np.column_stack(columns)
    height, width = lines.mask.shape
    border = (lines.rows < 2) | (lines.rows >= height - 2) | (lines.cols < 2) | (lines.cols >= width - 2)
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    for path in _walk_paths(_neighbours(lines.rows, lines.cols, width)):
        for pixel in (path[0], path[-1]):
            graph.add_node(pixel, xy=points[pixel, :2], border=bool(border[pixel]))
        add_path(graph, path[0], path[-1], points[path])
    return graph


def _neighbours(rows: Ints, cols: Ints, width: int) -> list[list[int]]:
    """Return the indices of the pixels next to each pixel; a diagonal counts only where no side step leads to it."""
    stride = width + 2
    flat = rows * stride + cols
    east, south, west = (_find(flat, flat + step) for step in (1, stride, -1))
    south_east, south_west = (_find(flat, flat + stride + step) for step in (1, -1))
    south_east[(east >= 0) | (south >= 0)] = -1
    south_west[(west >= 0) | (south >= 0)] = -1
    found = np.concatenate([east, south, south_east, south_west])
    pixels = np.tile(np.arange(len(flat)), 4)[found >= 0]
    found = found[found >= 0]
    shape = (len(flat), len(flat))
    both = (np.concatenate([pixels, found]), np.concatenate([found, pixels]))
    links = sparse.csr_array((np.ones(2 * len(found), dtype=np.int8), both), shape=shape)
    links.sort_indices()
    bounds, indices = links.indptr.tolist(), links.indices.tolist()
    return [indices[start:end] for start, end in pairwise(bounds)]


def _find(flat: Ints, wanted: Ints) -> Ints:
    if not len(flat):
        return wanted
    position = np.searchsorted(flat, wanted).clip(max=len(flat) - 1)
    return np.where(flat[position] == wanted, position, -1)


def _walk_paths(neighbours: list[list[int]]) -> list[list[int]]:
    """Walk from node to node, each path once, then along the rings that have no node."""
    paths, arrived, passed = [], set(), bytearray(len(neighbours))
    for start, around in enumerate(neighbours):
        if len(around) == 2:
            continue
        for first in around:
            if (start, first) in arrived:
                continue
            path = _walk(neighbours, start, first)
            arrived.add((path[-1], path[-2]))
            paths.append(path)
            for pixel in path:
                passed[pixel] = 1
    for start, around in enumerate(neighbours):
        if len(around) == 2 and not passed[start]:
            path = _walk(neighbours, start, around[0])
            paths.append(path)
            for pixel in path:
                passed[pixel] = 1
    return paths


def _walk(neighbours: list[list[int]], start: int, first: int) -> list[int]:
    path = [start, first]
    while path[-1] != start and len(neighbours[path[-1]]) == 2:
        one, other = neighbours[path[-1]]
        path.append(other if one == path[-2] else one)
    return path

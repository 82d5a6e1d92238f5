"""The working graph: nodes at points, and edges that carry a path of points with the road's half width at each.

A path is an array (n, 3) of x, y and half width, all in metres from the upper left corner of the scene; a gap is
crossed through a point whose half width is NaN. An edge keeps the node at which its path starts, since an undirected
edge does not. Nodes carry `xy`, and `border`: whether the scene ends there.
"""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

__all__ = [
    "Edge",
    "Path",
    "add_path",
    "bridged_length",
    "dissolve_chains",
    "free_ends",
    "half_width_at",
    "path_distances",
    "path_from",
    "path_length",
    "set_end",
]

Path = npt.NDArray[np.float64]
Edge = tuple[int, int, int]


def add_path(graph: nx.MultiGraph, start: int, end: int, path: Path) -> None:
    """Add an edge whose path leads from `start` to `end`; its ends are put exactly on the nodes."""
    path = path.copy()
    path[0, :2], path[-1, :2] = graph.nodes[start]["xy"], graph.nodes[end]["xy"]
    graph.add_edge(start, end, start=start, path=path)


def path_from(data: dict[str, Any], node: int) -> Path:
    """The path of an edge as seen from one of its nodes."""
    path: Path = data["path"]
    return path if data["start"] == node else path[::-1]


def path_length(path: Path) -> float:
    """Length of a path in metres."""
    return float(path_distances(path)[-1])


def path_distances(path: Path) -> Path:
    """How far along a path each of its points lies, in metres."""
    return np.append(0.0, np.hypot(*np.diff(path[:, :2], axis=0).T).cumsum())


def bridged_length(path: Path) -> float:
    """Length of a path in metres where it crosses a gap."""
    steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
    is_gap = np.isnan(path[:, 2])
    return float(steps[is_gap[1:] | is_gap[:-1]].sum())


def free_ends(graph: nx.MultiGraph) -> list[int]:
    """Nodes where a road ends within the scene, in a stable order."""
    return [node for node, degree in graph.degree if degree == 1 and not graph.nodes[node]["border"]]


def half_width_at(graph: nx.MultiGraph, node: int) -> float:
    """Half width of the widest road at a node, in metres; 0 where nothing is known."""
    widths = [path_from(data, node)[0, 2] for _, _, data in graph.edges(node, data=True)]
    return float(np.nanmax(widths)) if np.isfinite(widths).any() else 0.0


def dissolve_chains(graph: nx.MultiGraph) -> None:
    """Join the two edges at every node that only continues a road; a closed ring keeps one node."""
    for node in [node for node, degree in graph.degree if degree == 2]:
        edges = list(graph.edges(node, keys=True, data=True))
        if len(edges) != 2 or graph.nodes[node]["border"]:
            continue
        (_, before, _, first), (_, after, _, second) = edges
        path = np.concatenate([path_from(first, node)[::-1], path_from(second, node)[1:]])
        graph.remove_node(node)
        add_path(graph, before, after, path)


def set_end(data: dict[str, Any], node: int, path: Path) -> None:
    """Replace the path of an edge by one that is given as seen from `node`."""
    data["path"] = path if data["start"] == node else path[::-1]

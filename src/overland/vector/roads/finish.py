"""The working graph to the finished road graph: numbered, lines smoothed, with widths and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import shapely
from scipy.ndimage import gaussian_filter1d

from overland.geo.grid import Window
from overland.vector.roads.skeleton import ReadProbabilities
from overland.vector.roads.trace import Path, gap_filled_length, path_distances, path_length

__all__ = ["add_probabilities", "finished_graph", "line_from_path"]

_SIGMA_PIXELS = 2.0
# A wide road wobbles in proportion: its centre line is the mean of two ragged sides.
_SIGMA_HALF_WIDTHS = 0.5


def finished_graph(
    working: nx.MultiGraph[int], *, pixel_size_m: tuple[float, float], simplify_m: float
) -> nx.MultiGraph[int]:
    """Turn the working graph into the public one: numbered in reading order, lines smoothed, in pixels.

    Args:
        working: The working graph, in metres.
        pixel_size_m: Width and height of a pixel in metres.
        simplify_m: Lines keep within so many metres of the smoothed path.

    Returns:
        The graph that `road_graph_from_pixels` describes, without probabilities.
    """
    order = sorted(working.nodes, key=lambda node: tuple(working.nodes[node]["xy"][::-1]))
    number = {node: index for index, node in enumerate(order)}
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    for node in order:
        x, y = working.nodes[node]["xy"] / pixel_size_m
        graph.add_node(number[node], x=float(x), y=float(y), border=working.nodes[node]["border"])
    edges = [_finished_edge(working, number, edge, pixel_size_m, simplify_m) for edge in working.edges(keys=True)]
    for u, v, data in sorted(edges, key=lambda edge: (*edge[:2], edge[2]["length_m"])):
        graph.add_edge(u, v, **data)
        # The node of a free ring moves with the smoothed line; every other line keeps its ends.
        graph.nodes[u]["x"], graph.nodes[u]["y"] = data["geometry"].coords[0]
    return graph


def _finished_edge(
    working: nx.MultiGraph[int],
    number: dict[int, int],
    edge: tuple[int, int, int],
    pixel_size_m: tuple[float, float],
    simplify_m: float,
) -> tuple[int, int, dict[str, Any]]:
    path, start = working.edges[edge]["path"], number[working.edges[edge]["start"]]
    u, v = sorted(number[node] for node in edge[:2])
    path = path if start == u else path[::-1]
    is_ring = u == v and working.degree(edge[0]) == 2
    line = line_from_path(path, pixel_m=min(pixel_size_m), simplify_m=simplify_m, is_ring=is_ring)
    known = path[np.isfinite(path[:, 2]), 2]
    return (
        u,
        v,
        {
            "geometry": shapely.transform(line, lambda xy: xy / pixel_size_m),
            "length_m": float(line.length),
            "width_m": 2 * float(np.median(known)) if len(known) else np.nan,
            "gap_filled": gap_filled_length(path) / max(path_length(path), 1e-9),
        },
    )


def line_from_path(path: Path, *, pixel_m: float, simplify_m: float, is_ring: bool = False) -> shapely.LineString:
    """Smooth a path with a Gaussian along it, then simplify.

    Args:
        path: Points (n, 3) of x, y and half width in metres.
        pixel_m: Side of a pixel in metres, the smallest step of the smoothing.
        simplify_m: The line keeps within so many metres of the smoothed path.
        is_ring: The path is closed and has no junction; its first point then moves like any other.

    Returns:
        A line in metres; its ends are those of the path unless it is a ring.

    Source: Douglas and Peucker 1973 for the simplification.
    """
    known = path[np.isfinite(path[:, 2]), 2]
    half_width = float(np.median(known)) if len(known) else 0.0
    along = path_distances(path)
    stops = np.linspace(0, along[-1], max(2, round(along[-1] / pixel_m) + 1))
    points = np.column_stack([np.interp(stops, along, column) for column in path[:, :2].T])
    sigma = max(_SIGMA_PIXELS, _SIGMA_HALF_WIDTHS * half_width / pixel_m)
    if is_ring:
        smooth = gaussian_filter1d(points[:-1], sigma, axis=0, mode="wrap")
        smooth = np.vstack([smooth, smooth[:1]])
    else:
        # Mirrored through its end points, a line keeps them under the filter. A short one can be mirrored once only.
        width = min(len(points) - 1, int(4 * sigma) + 1)
        padded = np.pad(points, ((width, width), (0, 0)), mode="reflect", reflect_type="odd")
        smooth = gaussian_filter1d(padded, min(sigma, width / 3), axis=0, truncate=3.0)[width:-width]
        smooth[[0, -1]] = points[[0, -1]]
    line = shapely.LineString(smooth)
    simple = shapely.simplify(line, simplify_m)
    # A loop smaller than the tolerance would shrink to its node.
    return line if simple.length == 0 else simple


def add_probabilities(
    graph: nx.MultiGraph[int], read_probabilities: ReadProbabilities, shape: tuple[int, int], blocks: Sequence[Window]
) -> None:
    """Give each edge, in place, the probability of road under its line: `mean_p` and `min_p`, NaN where none is known.

    Args:
        graph: A finished road graph, in pixels.
        read_probabilities: Reads the probabilities of road in a window.
        shape: Rows and columns of the scene.
        blocks: Its row blocks, which are read one after the other.
    """
    edges = list(graph.edges(keys=True))
    lines = np.array([graph.edges[edge]["geometry"] for edge in edges], dtype=object)
    # Points at steps of at most a pixel along each line, its ends included.
    lengths = shapely.length(lines)
    stops = np.ceil(lengths).astype(np.int64) + 1
    number = np.repeat(np.arange(len(lines)), stops)
    steps = np.arange(stops.sum()) - np.repeat(stops.cumsum() - stops, stops)
    distances = steps * (lengths / np.maximum(stops - 1, 1))[number]
    xy = shapely.get_coordinates(shapely.line_interpolate_point(lines[number], distances))
    cols = np.floor(xy[:, 0]).astype(np.int64).clip(0, shape[1] - 1)
    rows = np.floor(xy[:, 1]).astype(np.int64).clip(0, shape[0] - 1)
    values = np.full(len(xy), np.nan)
    for block in blocks:
        here = np.flatnonzero((rows >= block.row_off) & (rows < block.row_end))
        if len(here):
            values[here] = read_probabilities(block)[rows[here] - block.row_off, cols[here]]
    known = np.isfinite(values)
    counts = np.bincount(number[known], minlength=len(edges))
    sums = np.bincount(number[known], weights=values[known], minlength=len(edges))
    least = np.full(len(edges), np.inf)
    np.minimum.at(least, number[known], values[known])
    for index, edge in enumerate(edges):
        data, is_known = graph.edges[edge], counts[index] > 0
        data["mean_p"] = float(sums[index] / counts[index]) if is_known else np.nan
        data["min_p"] = float(least[index]) if is_known else np.nan

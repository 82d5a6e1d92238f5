"""Skeleton pixels to a graph: nodes where lines end or meet, paths of pixels between them."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import numpy.typing as npt
from scipy import sparse

from overland.vector.graph.paths import add_path
from overland.vector.graph.skeleton import Centerlines

__all__ = ["trace_centerlines"]

Ints = npt.NDArray[np.int64]


def trace_centerlines(lines: Centerlines, *, pixel_size_m: tuple[float, float]) -> nx.MultiGraph:
    """Build the working graph (see `paths`) of skeleton pixels; single pixels are left out.

    A ring without a junction gets one node. Nodes within one pixel of the scene's edge are marked as border.
    """
    columns = (lines.cols + 0.5) * pixel_size_m[0], (lines.rows + 0.5) * pixel_size_m[1], lines.half_widths_m
    points = np.column_stack(columns)
    height, width = lines.mask.shape
    border = (lines.rows < 2) | (lines.rows >= height - 2) | (lines.cols < 2) | (lines.cols >= width - 2)
    graph = nx.MultiGraph()
    for path in _walk_paths(_neighbours(lines.rows, lines.cols, width)):
        for pixel in (path[0], path[-1]):
            graph.add_node(pixel, xy=points[pixel, :2], border=bool(border[pixel]))
        add_path(graph, path[0], path[-1], points[path])
    return graph


def _neighbours(rows: Ints, cols: Ints, width: int) -> list[list[int]]:
    """Indices of the pixels next to each pixel; a diagonal counts only where no side step leads to it."""
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
    """Paths from node to node, each once, then the rings that have no node."""
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

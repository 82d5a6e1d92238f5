"""Free ends extended over pixels that the mask left out but that are still probable: least-cost paths."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.spatial import KDTree
from skimage.graph import MCP_Geometric

from overland.geo.grid import Window
from overland.vector.layer import Bools, Floats, Ints
from overland.vector.roads.gaps import Hit, attach_ends, heading_at
from overland.vector.roads.skeleton import ReadProbabilities
from overland.vector.roads.trace import Edge, free_ends, half_width_at, path_distances

__all__ = ["join_ends_by_cost"]

# The path may bend off the heading of the road by so much, seen from its end.
_MAX_TURN_DEG = 50.0
# Certain road still costs something, so that of two paths over it the shorter is taken.
_LEAST_COST = 0.05
_OUTSIDE = -1.0


def join_ends_by_cost(
    graph: nx.MultiGraph[int],
    read_probabilities: ReadProbabilities,
    shape: tuple[int, int],
    *,
    max_gap_m: float,
    min_probability: float,
    pixel_size_m: tuple[float, float],
) -> None:
    """Extend free ends, in place, to the road that they reach at the least cost, 1 - p summed along the path.

    Any other road will do, at its end or its side, within 50° of the end's heading.

    Args:
        graph: The working graph.
        read_probabilities: Reads the probabilities of road in a window.
        shape: Rows and columns of the scene.
        max_gap_m: Largest distance of an end and the road, in metres.
        min_probability: A path is taken when the mean probability along it, between the roads, is at least this.
        pixel_size_m: Width and height of a pixel in metres.
    """
    ends = free_ends(graph)
    if max_gap_m <= 0 or not ends:
        return
    roads = _Roads(graph, pixel_size_m)
    hits = []
    for end in ends:
        xy, half_width = graph.nodes[end]["xy"], half_width_at(graph, end)
        # The centre line of the road ahead lies half a width behind its side; it is taken to be as wide as this one.
        reach = max_gap_m + half_width
        left, top = np.floor((xy - reach) / pixel_size_m).astype(int).tolist()
        right, bottom = np.ceil((xy + reach) / pixel_size_m).astype(int).tolist()
        window = Window(col_off=left, row_off=top, width=right - left, height=bottom - top).intersection(
            Window(col_off=0, row_off=0, width=shape[1], height=shape[0])
        )
        cone = _Cone(xy, heading_at(graph, end, min(pixel_size_m)), half_width, window, pixel_size_m)
        hits.append(_hit(roads, cone, end, max_gap_m, read_probabilities, min_probability))
    attach_ends(graph, [hit for hit in hits if hit is not None])


class _Roads:
    """All points of all paths: which edge they are on, and how far along it."""

    def __init__(self, graph: nx.MultiGraph[int], pixel_size_m: tuple[float, float]) -> None:
        self.edges: list[Edge] = list(graph.edges(keys=True))
        paths, step = [], min(pixel_size_m)
        for edge in self.edges:
            path = graph.edges[edge]["path"][:, :2]
            stops = along = path_distances(path)
            # A straight line of few points gets one a pixel.
            if len(path) < along[-1] / step / 2:
                stops = np.union1d(along, np.arange(step, along[-1], step))
            paths.append(np.column_stack([np.interp(stops, along, column) for column in path.T]))
        self.points = np.concatenate(paths)
        self.along = np.concatenate([path_distances(path) for path in paths])
        self.edge_of_point = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
        self.tree = KDTree(self.points)

    def near(self, end: int, xy: Floats, reach_m: float) -> Ints:
        """Find points within reach that are not on the road of the end itself."""
        found = np.array(sorted(self.tree.query_ball_point(xy, reach_m)), dtype=np.int64)
        own = [number for number in np.unique(self.edge_of_point[found]) if end in self.edges[number][:2]]
        return found[~np.isin(self.edge_of_point[found], own)]


@dataclass(frozen=True)
class _Cone:
    """The ground ahead of a free end: a cone, at its mouth as wide as the road, in a window of pixels."""

    xy: Floats
    heading: Floats
    half_width: float
    window: Window
    pixel_size_m: tuple[float, float]

    def holds(self, points: Floats) -> Bools:
        """Tell which points (..., 2) lie in the cone."""
        offsets = points - self.xy
        along = offsets @ self.heading
        aside = np.abs(offsets @ np.array([-self.heading[1], self.heading[0]]))
        return np.asarray((along >= 0) & (aside <= self.half_width + along * np.tan(np.radians(_MAX_TURN_DEG))))

    def cells(self, points: Floats) -> Ints:
        """Return rows and columns (n, 2) in the window of points in metres."""
        cells = np.floor(points / self.pixel_size_m).astype(np.int64) - (self.window.col_off, self.window.row_off)
        return np.asarray(cells.clip(0, (self.window.width - 1, self.window.height - 1))[:, ::-1])

    def centers(self, cells: Ints) -> Floats:
        """Return points in metres (..., 2) of rows and columns in the window."""
        return np.asarray(
            (cells[..., ::-1] + (self.window.col_off + 0.5, self.window.row_off + 0.5)) * self.pixel_size_m
        )

    def costs(self, probabilities: Floats) -> Floats:
        """Return the cost of a step on each pixel of the window, negative outside of the cone."""
        centers = self.centers(np.moveaxis(np.indices(probabilities.shape), 0, -1))
        is_open = self.holds(centers) | (np.hypot(*np.moveaxis(centers - self.xy, -1, 0)) <= max(self.pixel_size_m))
        return np.where(is_open, 1 - probabilities.clip(0, 1) + _LEAST_COST, _OUTSIDE)


def _hit(
    roads: _Roads,
    cone: _Cone,
    end: int,
    max_gap_m: float,
    read_probabilities: ReadProbabilities,
    min_probability: float,
) -> Hit | None:
    points = roads.near(end, cone.xy, max_gap_m + cone.half_width)
    points = points[cone.holds(roads.points[points])]
    if not len(points):
        return None
    probabilities = np.nan_to_num(read_probabilities(cone.window).astype(np.float64), nan=0.0)
    cells = cone.cells(roads.points[points])
    paths = MCP_Geometric(cone.costs(probabilities), fully_connected=True)
    start = tuple(cone.cells(cone.xy[None])[0])
    sums, _ = paths.find_costs([start], [tuple(cell) for cell in cells], find_all_ends=False)
    costs = sums[cells[:, 0], cells[:, 1]]
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]):
        return None
    path = np.array(paths.traceback(tuple(cells[best])))
    if float(probabilities[path[:, 0], path[:, 1]].mean()) < min_probability:
        return None
    point = points[best]
    return Hit(end, roads.edges[roads.edge_of_point[point]], float(roads.along[point]), cone.centers(path[1:-1]))

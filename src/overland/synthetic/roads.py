"""The road network of a synthetic landscape: a planar graph of settlements, drawn as smooth curves.

Settlements are joined by a Gabriel graph (two are neighbours when no third lies in the circle between them), which
looks much as country roads do. At each settlement the straightest pairs of roads continue each other, so that a road
runs on through its junctions, and the others meet it at a T.

Everything is planned in local metres, x to the right and y down from the scene's upper left corner, on a domain that
reaches beyond the scene, so that roads, fields and woods run out of the picture instead of stopping at its border.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import networkx as nx
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from shapely.geometry import LineString, Polygon, box

__all__ = [
    "KINDS",
    "Network",
    "PlannedRoad",
    "River",
    "Site",
    "plan_lakes",
    "plan_river",
    "plan_roads",
    "roads_from_crossing_lines",
]


RoadGraph: TypeAlias = "nx.Graph[int]"
"""Settlements by their index, joined where a road runs."""

_MARGIN_M = 320.0
_LAKES_PER_KM2 = 1.5


@dataclass(frozen=True)
class Site:
    """The extent of a scene and the size of its pixels.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
        resolution_m: Size of a pixel in metres.
    """

    height: int
    width: int
    resolution_m: float

    @property
    def height_m(self) -> float:
        """North to south, metres."""
        return self.height * self.resolution_m

    @property
    def width_m(self) -> float:
        """West to east, metres."""
        return self.width * self.resolution_m

    @property
    def scene(self) -> Polygon:
        """The rectangle that the picture shows."""
        return box(0.0, 0.0, self.width_m, self.height_m)

    @property
    def domain(self) -> Polygon:
        """The rectangle that is planned: the scene and a margin round it."""
        return box(-_MARGIN_M, -_MARGIN_M, self.width_m + _MARGIN_M, self.height_m + _MARGIN_M)

    def random_point(self, rng: np.random.Generator, within: float = 1.0) -> NDArray[np.float64]:
        """Draw a point in the middle of the scene.

        Args:
            rng: Random generator of the plan.
            within: Fraction of each side that the point may lie in.

        Returns:
            The point in local metres.
        """
        size = np.array([self.width_m, self.height_m])
        return np.asarray(size * (0.5 + within * rng.uniform(-0.5, 0.5, 2)))


@dataclass(frozen=True)
class River:
    """A meandering river.

    Attributes:
        axis: Its middle line in local metres.
        surface: Its surface.
        width_m: Its width in metres.
    """

    axis: LineString
    surface: Polygon
    width_m: float


def plan_river(rng: np.random.Generator, site: Site) -> River | None:
    """Lay a river across the domain, past the middle of the scene; small scenes often have none.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.

    Returns:
        The river; None where there is none.
    """
    extent = max(site.width_m, site.height_m)
    if rng.random() > 0.35 + 0.55 * min(1.0, extent / 1500):
        return None
    heading = rng.uniform(0, math.pi)
    along = np.array([math.cos(heading), math.sin(heading)])
    across = np.array([-along[1], along[0]])
    reach = 0.75 * extent + 2 * _MARGIN_M
    t = np.arange(-reach, reach, 8.0)
    middle = np.array([site.width_m, site.height_m]) / 2 + across * rng.choice([-1, 1]) * extent * rng.uniform(
        0.12, 0.42
    )
    meander = np.zeros_like(t)
    for wavelength, amplitude in ((620.0, 60.0), (270.0, 22.0), (110.0, 6.0)):
        length = wavelength * rng.uniform(0.8, 1.25)
        meander += amplitude * rng.uniform(0.5, 1.2) * np.sin(2 * math.pi * t / length + rng.uniform(0, 2 * math.pi))
    axis = middle + t[:, None] * along + meander[:, None] * across
    half = rng.uniform(4.5, 11.0) * (1 + 0.25 * np.sin(t / rng.uniform(40, 90) + rng.uniform(0, 6)))
    banks = np.concatenate([axis + half[:, None] * across, (axis - half[:, None] * across)[::-1]])
    return River(LineString(axis), Polygon(banks).buffer(0), float(2 * half.mean()))


def plan_lakes(rng: np.random.Generator, site: Site, occupied: Sequence[shapely.Geometry]) -> list[Polygon]:
    """Put lakes and ponds where nothing else is near.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        occupied: Geometries in local metres that take up ground.

    Returns:
        The surfaces of the water.
    """
    wanted = rng.poisson(site.width_m * site.height_m / 1e6 * _LAKES_PER_KM2 + 0.3)
    lakes: list[Polygon] = []
    for _ in range(12 * wanted):
        if len(lakes) == wanted:
            break
        centre = site.random_point(rng, 1.1)
        room = shapely.distance([*occupied, *lakes], shapely.Point(centre)).min() if occupied or lakes else 80.0
        radius = min(rng.uniform(14, 75), (room - 8) / 1.35)
        if radius <= 11:
            continue
        angle = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        reach = np.ones_like(angle)
        for wave in (2, 3, 4, 6):
            reach += 0.32 / wave * rng.normal() * np.sin(wave * angle + rng.uniform(0, 2 * math.pi))
        reach = radius * np.clip(reach, 0.45, 1.35)
        lakes.append(Polygon(centre + reach[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])).buffer(0))
    return lakes


KINDS = ("track", "lane", "secondary", "main")
WIDTHS_M = {"main": (9.0, 11.0), "secondary": (6.0, 7.5), "lane": (4.2, 5.2), "track": (2.8, 3.6)}
_SPACING_M = 365.0
_POINT_EVERY_M = 5.0
_SNAP_M = 0.05
_STUB_M = 8.0
_MOST_ROADS = 4  # that the plan lets meet at a settlement


@dataclass(frozen=True)
class PlannedRoad:
    """A stretch of road.

    Attributes:
        line: Its middle line in local metres.
        width_m: Its width in metres.
        kind: main, secondary, lane or track.
    """

    line: LineString
    width_m: float
    kind: str


class Network(NamedTuple):
    """The roads between settlements.

    Attributes:
        roads: The roads.
        settlements: The places (n, 2) in local metres; the first is the scene's own.
    """

    roads: list[PlannedRoad]
    settlements: NDArray[np.float64]


def plan_roads(rng: np.random.Generator, site: Site, river: River | None) -> Network:
    """Lay main roads, secondary roads and lanes between settlements over the whole domain.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        river: The river, where there is one.

    Returns:
        The roads and the settlements.
    """
    # A shaken, turned lattice with one point near the middle of the scene.
    reach = math.ceil(0.75 * (max(site.width_m, site.height_m) + 1400) / _SPACING_M) + 1
    steps = np.arange(-reach, reach + 1)
    lattice = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(float)
    lattice += rng.uniform(-0.34, 0.34, lattice.shape)
    lattice = lattice[rng.random(len(lattice)) > 0.1]
    lattice = np.concatenate([np.zeros((1, 2)), lattice[np.hypot(*lattice.T) > 0.55]])
    turn = rng.uniform(0, math.pi)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    home = site.random_point(rng, 0.6)
    points = home + _SPACING_M * lattice @ rotation
    # Settlements further out than the domain give the roads at its rim somewhere to lead to.
    keep = shapely.contains_xy(site.domain.buffer(_SPACING_M), points)
    if river is not None:
        keep &= shapely.distance(river.axis, shapely.points(points)) > 40 + river.width_m
    keep[0] = True
    settlements = np.asarray(points[keep])
    graph = _neighbour_graph(rng, settlements, river)
    # For a road that arrives at node b from a, (a, b), the node at which it goes on; missing where it ends.
    followers = {}
    for node in graph.nodes:
        free = sorted(graph.neighbors(node))
        while len(free) > 1:
            bend, a, b = min((_bend(settlements, a, node, b), a, b) for i, a in enumerate(free) for b in free[i + 1 :])
            if bend > 0.9 and graph.degree(node) > 2:
                break
            followers[a, node], followers[b, node] = b, a
            free = [other for other in free if other not in (a, b)]
    kinds = _kinds(rng, graph, followers)
    roads = []
    for edge in graph.edges:
        kind, width = kinds[frozenset(edge)]
        wobble = rng.uniform(0.01, 0.03) if kind == "main" else rng.uniform(0.015, 0.06)
        roads.append(PlannedRoad(_curve(rng, edge, settlements, followers, wobble), width, kind))
    return Network([road for road in roads if road.line.intersects(site.domain)], settlements)


def roads_from_crossing_lines(roads: Sequence[PlannedRoad]) -> list[PlannedRoad]:
    """Cut roads where they meet, so that edges share their end points exactly; short dead ends are left out.

    Args:
        roads: The roads.

    Returns:
        The stretches of road between junctions and ends.
    """
    lines = [road.line for road in roads]
    pieces = _merged(shapely.unary_union(lines, grid_size=_SNAP_M))
    ends = Counter(point for piece in pieces for point in (piece.coords[0], piece.coords[-1]))
    kept = [p for p in pieces if p.length > _STUB_M or min(ends[p.coords[0]], ends[p.coords[-1]]) > 1]
    pieces = _merged(shapely.MultiLineString(kept))
    tree = shapely.STRtree(lines)
    sources = tree.nearest([piece.interpolate(0.5, normalized=True) for piece in pieces])
    return [PlannedRoad(piece, roads[i].width_m, roads[i].kind) for piece, i in zip(pieces, sources, strict=True)]


def _merged(lines: shapely.Geometry) -> list[LineString]:
    merged = shapely.line_merge(lines)
    return [part for part in shapely.get_parts(merged) if part.length > 0]


def _neighbour_graph(rng: np.random.Generator, points: NDArray[np.float64], river: River | None) -> RoadGraph:
    triangles = Delaunay(points).simplices
    pairs = {(min(t[i], t[j]), max(t[i], t[j])) for t in triangles.tolist() for i, j in ((0, 1), (1, 2), (0, 2))}
    full: RoadGraph = nx.Graph()
    for a, b in sorted(pairs):
        middle = (points[a] + points[b]) / 2
        radius = np.hypot(*(points[a] - middle))
        others = np.delete(points, [a, b], axis=0)
        # Gabriel: no third settlement lies in the circle between two neighbours.
        if np.hypot(*(others - middle).T).min(initial=np.inf) < radius:
            continue
        chord = LineString(points[[a, b]])
        wet = 0.0 if river is None else chord.intersection(river.surface).length
        if river is None or wet < 2 * river.width_m:
            full.add_edge(a, b, weight=chord.length + 8 * wet)
    thinned = nx.minimum_spanning_tree(full)
    for a, b in sorted(full.edges):
        if rng.random() < 0.85 and max(thinned.degree(a), thinned.degree(b)) < _MOST_ROADS:
            thinned.add_edge(a, b)
    graph: RoadGraph = nx.Graph()
    graph.add_edges_from(sorted((min(a, b), max(a, b)) for a, b in thinned.edges))
    for a, b in graph.edges:
        graph.edges[a, b]["length"] = float(np.hypot(*(points[a] - points[b])))
    return graph


def _bend(points: NDArray[np.float64], a: int, node: int, b: int) -> float:
    before, after = points[node] - points[a], points[b] - points[node]
    cross = float(before[0] * after[1] - before[1] * after[0])
    return abs(math.atan2(cross, float(before @ after)))


def _kinds(
    rng: np.random.Generator, graph: RoadGraph, followers: dict[tuple[int, int], int]
) -> dict[frozenset[int], tuple[str, float]]:
    """Kind and width of each edge: a road keeps both from end to end, and long roads are the more important."""
    strokes: nx.Graph[frozenset[int]] = nx.Graph()
    strokes.add_nodes_from(frozenset(edge) for edge in graph.edges)
    strokes.add_edges_from((frozenset((a, node)), frozenset((node, b))) for (a, node), b in followers.items())
    groups = [sorted(map(sorted, group)) for group in nx.connected_components(strokes)]
    groups.sort(key=lambda group: (-sum(graph.edges[a, b]["length"] for a, b in group), group))
    kinds = {}
    for rank, group in enumerate(groups):
        rank_fraction = rank / len(groups)
        kind = "main" if rank_fraction < 0.06 or rank == 0 else "secondary" if rank_fraction < 0.5 else "lane"
        width = rng.uniform(*WIDTHS_M[kind])
        kinds.update({frozenset(edge): (kind, width) for edge in group})
    return kinds


def _curve(
    rng: np.random.Generator,
    edge: tuple[int, int],
    points: NDArray[np.float64],
    followers: dict[tuple[int, int], int],
    wobble: float,
) -> LineString:
    """A cubic Hermite curve whose ends are tangent to the roads that continue it."""
    a, b = edge
    chord = points[b] - points[a]
    length = float(np.hypot(*chord))
    leave = _tangent(points, followers.get((b, a)), a, b)
    arrive = -_tangent(points, followers.get((a, b)), b, a)
    t = np.linspace(0, 1, max(8, math.ceil(length / _POINT_EVERY_M)))[:, None]
    pull = 0.95 * length
    curve = (2 * t**3 - 3 * t**2 + 1) * points[a] + (3 * t**2 - 2 * t**3) * points[b]
    curve += (t**3 - 2 * t**2 + t) * pull * leave + (t**3 - t**2) * pull * arrive
    side = np.array([-chord[1], chord[0]]) / length
    bends = np.sin(2 * math.pi * rng.uniform(0.8, 1.9) * t + rng.uniform(0, 2 * math.pi))
    curve += wobble * length * np.sin(math.pi * t) ** 2 * bends * side
    curve[0], curve[-1] = points[a], points[b]
    return LineString(curve)


def _tangent(points: NDArray[np.float64], before: int | None, node: int, after: int) -> NDArray[np.float64]:
    direction = points[after] - points[node if before is None else before]
    return np.asarray(direction / np.hypot(*direction))

"""Parcels of a synthetic landscape: the land between the roads, cut up into fields, woods and gardens.

Each face of the road network is halved again and again. The first cuts become lanes (in a village) or farm tracks,
the later ones field boundaries. So tracks always meet roads, and fields always follow both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from shapely.ops import split

from overland.synthetic.roads import WIDTHS_M, PlannedRoad, River, Site, roads_from_crossing_lines

__all__ = ["Parcel", "Parcels", "Village", "plan_parcels", "plan_villages"]

_HECTARE = 1e4
_SMALLEST_M2 = 60.0
_TOUCHES_M = 0.03
_APART_M = 24.0


@dataclass(frozen=True)
class Village:
    """A village round a settlement.

    Attributes:
        centre: Its middle in local metres.
        radius_m: Its radius in metres.
    """

    centre: shapely.Point
    radius_m: float


@dataclass(frozen=True)
class Parcel:
    """A piece of land in one use.

    Attributes:
        polygon: Its outline in local metres.
        use: crop, grass, forest or garden.
        heading: Direction in which it is worked, in radians.
    """

    polygon: Polygon
    use: str
    heading: float


@dataclass(frozen=True)
class Parcels:
    """The parcels of the domain.

    Attributes:
        parcels: The parcels.
        boundaries: The boundaries between fields.
        roads: The roads, with lanes and tracks added.
    """

    parcels: list[Parcel]
    boundaries: list[LineString]
    roads: list[PlannedRoad]


def plan_villages(rng: np.random.Generator, settlements: NDArray[np.float64]) -> list[Village]:
    """Choose the settlements that grew into villages; the first one, in the scene, usually did.

    Args:
        rng: Random generator of the plan.
        settlements: Places (n, 2) in local metres.

    Returns:
        The villages.
    """
    grown = rng.random(len(settlements)) < 0.36
    grown[0] = rng.random() < 0.62
    radii = rng.uniform(45, 165, len(settlements))
    return [Village(shapely.Point(p), float(r)) for p, r, on in zip(settlements, radii, grown, strict=True) if on]


def plan_parcels(
    rng: np.random.Generator, site: Site, roads: Sequence[PlannedRoad], villages: Sequence[Village], river: River | None
) -> Parcels:
    """Cut the land between the roads into parcels, adding lanes and tracks, and give each parcel its use.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        roads: The roads.
        villages: The villages.
        river: The river, where there is one.

    Returns:
        The parcels, the boundaries between fields, and all roads.
    """
    network = roads_from_crossing_lines(roads)
    lines = [road.line for road in network]
    polygons: list[Polygon] = []
    boundaries: list[LineString] = []
    # The faces between the roads and the rim of the domain, less the river and its banks.
    inside = shapely.clip_by_rect(lines, *site.domain.bounds)
    noded = shapely.unary_union([*inside, site.domain.exterior], grid_size=0.05)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    if river is not None:
        faces = shapely.get_parts(shapely.difference(faces, river.surface.buffer(5)))
    waiting = [face for face in faces if isinstance(face, Polygon) and not face.is_empty]
    while waiting:
        face = waiting.pop()
        dense = _is_dense(face, villages)
        if face.area < _SMALLEST_M2:
            continue
        if face.area < rng.uniform(0.7, 1.5) * (0.11 if dense else 1.9) * _HECTARE:
            polygons.append(face)
            continue
        line, halves = _halve(rng, face)
        if line is None:
            polygons.append(face)
            continue
        waiting.extend(halves)
        if _may_be_road(line, face, lines, boundaries, 1.3 if dense else rng.uniform(3, 8)):
            kind = "lane" if dense else "track"
            network.append(PlannedRoad(line, rng.uniform(*WIDTHS_M[kind]), kind))
            lines.append(line)
        else:
            boundaries.append(line)
    return Parcels(_with_uses(rng, site, polygons, villages), boundaries, roads_from_crossing_lines(network))


def _is_dense(face: Polygon, villages: Sequence[Village], reach: float = 0.6) -> bool:
    return any(face.distance(village.centre) < reach * village.radius_m for village in villages)


def _halve(rng: np.random.Generator, face: Polygon) -> tuple[LineString | None, list[Polygon]]:
    """Cut a face across its longer side with a slightly bowed line; the line is None when it met only a corner."""
    middle, along, length = _long_axis(face)
    turn = rng.normal(0, 0.09)
    across = np.array([-along[1] - turn * along[0], along[0] - turn * along[1]])
    start = middle + along * length * rng.uniform(-0.13, 0.13)
    s = np.linspace(-1, 1, 41)
    bow = rng.normal(0, 0.035) * length * (1 - s**2) + rng.normal(0, 0.012) * length * np.sin(2 * math.pi * s)
    cutter = LineString(start + (s * 1.2 * length)[:, None] * across + bow[:, None] * along)
    inside = [part for part in shapely.get_parts(cutter.intersection(face)) if isinstance(part, LineString)]
    halves = [part for part in split(face, cutter).geoms if isinstance(part, Polygon)]
    if len(halves) < 2:
        return None, []
    return max(inside, key=lambda part: float(part.length)), halves


def _long_axis(face: Polygon) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return centre, unit direction and length of the longer side of the smallest rectangle round a face."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(face))
    sides = np.diff(corners[:3], axis=0)
    lengths = np.hypot(*sides.T)
    longer = int(lengths.argmax())
    return corners[:4].mean(axis=0), sides[longer] / lengths[longer], float(lengths[longer])


def _may_be_road(
    line: LineString,
    face: Polygon,
    lines: Sequence[LineString],
    boundaries: Sequence[LineString],
    min_hectares: float,
) -> bool:
    """Tell whether a cut is worth a road: a large face, one end on a road, and none at a mere field boundary."""
    if face.area < min_hectares * _HECTARE or line.length < 35:
        return False
    ends = [shapely.Point(line.coords[0]), shapely.Point(line.coords[-1])]
    if _gap(lines, line.interpolate(0.5, normalized=True)) < _APART_M:
        return False
    on_road = any(_gap(lines, end) < _TOUCHES_M for end in ends)
    return on_road and all(_gap(boundaries, end) > _TOUCHES_M for end in ends)


def _gap(lines: Sequence[LineString], point: shapely.Point) -> float:
    return float(shapely.distance(lines, point).min(initial=math.inf))


def _with_uses(
    rng: np.random.Generator, site: Site, polygons: Sequence[Polygon], villages: Sequence[Village]
) -> list[Parcel]:
    """Gardens in villages; woods where a smooth random surface is highest; crops and grassland elsewhere."""
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    # The highest parcels, until they make up the scene's fraction of woodland.
    height = rng.normal(0, 0.35, len(centres))
    for wavelength in (1100.0, 700.0, 420.0):
        heading = rng.uniform(0, 2 * math.pi)
        wave = np.array([math.cos(heading), math.sin(heading)]) * 2 * math.pi / wavelength
        height += np.sin(centres @ wave + rng.uniform(0, 2 * math.pi))
    visible = shapely.area(shapely.intersection(polygons, site.scene))
    order = np.argsort(-height)
    covered = np.cumsum(visible[order]) / max(visible.sum(), 1.0)
    limit = height[order][np.searchsorted(covered, rng.uniform(0.12, 0.34)).clip(max=len(order) - 1)]
    wooded = np.asarray(height >= limit)
    grass_fraction = rng.uniform(0.2, 0.45)
    parcels = []
    for polygon, in_wood in zip(polygons, wooded, strict=True):
        _, along, _ = _long_axis(polygon)
        if _is_dense(polygon, villages):
            use = "garden"
        elif in_wood and not _is_dense(polygon, villages, 1.0):
            use = "forest"
        elif polygon.area < 0.7 * _HECTARE and _is_dense(polygon, villages, 1.2):
            use = "grass"
        else:
            use = "grass" if rng.random() < grass_fraction else "crop"
        parcels.append(Parcel(polygon, use, math.atan2(along[1], along[0])))
    return parcels

"""Roads of a made landscape on the pixel grid: where they lie exactly, and how asphalt, markings and tracks look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from overland.datasets.landscape.cover import Noise
from overland.datasets.landscape.roads import KINDS, PlannedRoad
from overland.datasets.landscape.site import Site

__all__ = ["Pavement", "lay_pavement", "paint_roads"]

Array = NDArray[np.float32]
_VERGE_M = 4.0
_ASPHALT = np.array(
    [[0.40, 0.40, 0.41], [0.50, 0.49, 0.48], [0.57, 0.54, 0.49], [0.34, 0.35, 0.37], [0.49, 0.45, 0.40]]
)
_SAND = np.array([[0.68, 0.60, 0.47], [0.60, 0.54, 0.44], [0.73, 0.68, 0.58]])
_CONCRETE = np.array([[0.66], [0.65], [0.62]])


@dataclass(frozen=True)
class Pavement:
    """For each pixel, (height, width): the road on it (1 + index, 0 for none), metres from that road's axis and along
    it, and metres to the nearest road edge (negative on roads, at most 4 elsewhere).
    """

    road: NDArray[np.uint16]
    offset_m: Array
    along_m: Array
    edge_m: Array


def lay_pavement(site: Site, roads: Sequence[PlannedRoad]) -> Pavement:
    """Measure every pixel against every road near it; where roads cross, the more important one is on top."""
    shape = (site.height, site.width)
    number, offset, along = np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    pavement = Pavement(number, offset, along, np.full(shape, _VERGE_M, np.float32))
    ranks = [(KINDS.index(road.kind), road.width_m) for road in roads]
    levels = np.array([-1, *map(sorted(set(ranks)).index, ranks)])
    for index in np.argsort(levels[1:], kind="stable").tolist():
        layer = _Layer(index + 1, roads[index].width_m / 2, levels < levels[index + 1])
        _lay_road(site, pavement, roads[index], layer)
    return pavement


def paint_roads(
    rng: np.random.Generator,
    image: Array,
    site: Site,
    pavement: Pavement,
    roads: Sequence[PlannedRoad],
    noise: Noise,
    water: NDArray[np.bool_],
) -> None:
    """Paint verges and roads over the ground `image` (3, height, width), in place."""
    _paint_verges(image, pavement, noise)
    if not roads:
        return
    looks = _looks(rng, roads)
    on_road = np.flatnonzero(pavement.road)
    which = pavement.road.ravel()[on_road] - 1
    offset, along = pavement.offset_m.ravel()[on_road], pavement.along_m.ravel()[on_road]
    middle, fine = noise.middle.ravel()[on_road], noise.fine.ravel()[on_road]
    half = np.array([road.width_m / 2 for road in roads], dtype=np.float32)[which]
    ranks = np.array([KINDS.index(road.kind) for road in roads])[which]
    base = looks[:, which]
    flat = image.reshape(3, -1)
    ground = flat[:, on_road]
    paved = _paved(base, offset, along, half, ranks, middle, fine)
    painted = np.where(ranks == 0, _track(base, ground, offset, half, middle, fine), paved)
    bridge = _near(water, site).ravel()[on_road] & (np.abs(offset) > half - 0.7) & (ranks > 0)
    flat[:, on_road] = np.where(bridge, _CONCRETE, painted)


class _Layer(NamedTuple):
    """A road on its way onto the grid: its number there, half its width, and for each number whether it lies below."""

    number: int
    half_m: float
    covers: NDArray[np.bool_]


def _lay_road(site: Site, pavement: Pavement, road: PlannedRoad, layer: _Layer) -> None:
    points = np.asarray(road.line.coords)
    lengths = np.hypot(*np.diff(points, axis=0).T)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    for i in np.flatnonzero(lengths > 0):
        _lay_segment(site, pavement, layer, points[i : i + 2], float(starts[i]))


def _lay_segment(site: Site, pavement: Pavement, layer: _Layer, segment: NDArray[np.float64], start_m: float) -> None:
    window = _window(site, segment, layer.half_m + _VERGE_M)
    if window is None:
        return
    rows, cols = window
    (x0, y0), step = segment[0], segment[1] - segment[0]
    x = (np.arange(cols.start, cols.stop) + 0.5) * site.resolution_m - x0
    y = ((np.arange(rows.start, rows.stop) + 0.5) * site.resolution_m - y0)[:, None]
    length = math.hypot(*step)
    ahead = (x * step[0] + y * step[1]) / length
    side = (y * step[0] - x * step[1]) / length
    distance = np.hypot(side, ahead - np.clip(ahead, 0, length))
    edge = pavement.edge_m[window]
    np.minimum(edge, distance - layer.half_m, out=edge)
    on_it = layer.covers[pavement.road[window]] | (distance < np.abs(pavement.offset_m[window]))
    on_it &= distance <= layer.half_m
    pavement.road[window][on_it] = layer.number
    pavement.offset_m[window][on_it] = np.copysign(distance, side)[on_it]
    pavement.along_m[window][on_it] = (start_m + ahead)[on_it]


def _window(site: Site, segment: NDArray[np.float64], reach_m: float) -> tuple[slice, slice] | None:
    low = np.floor((segment.min(axis=0) - reach_m) / site.resolution_m).astype(int)
    high = np.ceil((segment.max(axis=0) + reach_m) / site.resolution_m).astype(int)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (site.width, site.height))
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _paint_verges(image: Array, pavement: Pavement, noise: Noise) -> None:
    """A strip of dry grass and dust beside the road, ragged at its outer side."""
    near = np.flatnonzero((pavement.edge_m < 2.6) & (pavement.road == 0))
    edge, middle, fine = (a.ravel()[near] for a in (pavement.edge_m, noise.middle, noise.fine))
    strength = np.clip(1.1 - (edge - 0.35 * middle - 0.3 * fine) / 2.0, 0, 0.75)
    verge = np.array([[0.50], [0.51], [0.34]]) * (1 + 0.08 * fine + 0.05 * middle)
    dust = np.clip(0.9 - edge, 0, 0.5)
    verge += dust * (np.array([[0.62], [0.57], [0.47]]) - verge)
    flat = image.reshape(3, -1)
    flat[:, near] += strength * (verge - flat[:, near])


def _looks(rng: np.random.Generator, roads: Sequence[PlannedRoad]) -> NDArray[np.float64]:
    """Base colour of each road, (3, roads): those of one kind and width are one road and share it. Some lanes are
    of gravel.
    """
    colors: dict[tuple[str, float], NDArray[np.float64]] = {}
    for road in roads:
        unpaved = road.kind == "track" or (road.kind == "lane" and rng.random() < 0.3)
        palette = _SAND if unpaved else _ASPHALT
        drawn = palette[rng.integers(len(palette))] * (1 + rng.normal(0, 0.05))
        colors.setdefault((road.kind, road.width_m), drawn)
    return np.array([colors[road.kind, road.width_m] for road in roads]).T


def _paved(
    base: NDArray[np.float64],
    offset: Array,
    along: Array,
    half: Array,
    ranks: NDArray[np.int64],
    middle: Array,
    fine: Array,
) -> NDArray[np.float64]:
    """Asphalt: paler in the wheel paths, worn at the edges, repaired in places, with dashes and edge lines."""
    wheel = np.exp(-(((np.abs(np.abs(offset) - half * 0.45)) / 0.5) ** 2))
    worn = np.clip((np.abs(offset) - half + 0.7) / 0.7, 0, 1)
    light = 1 + 0.05 * wheel + 0.05 * middle + 0.05 * fine
    light -= 0.09 * ((np.sin(along / 23) > 0.82) & (middle > 0.2))
    color = base * light + worn * 0.06 * (1 + fine)
    dashes = (np.abs(offset) < 0.26) & (along % 12 < 5) & (ranks >= 2)
    edges = (np.abs(np.abs(offset) - half + 0.55) < 0.26) & (ranks == 3)
    line = np.where(dashes, 0.6, 0.0) + np.where(edges, 0.5, 0.0)
    return np.asarray(color + line * (0.86 - color))


def _track(
    base: NDArray[np.float64], ground: Array, offset: Array, half: Array, middle: Array, fine: Array
) -> NDArray[np.float64]:
    """Two sandy ruts with grass between them where the track is little used."""
    sand = base * (1 + 0.05 * middle + 0.06 * fine)
    grass = np.array([[0.46], [0.48], [0.30]]) * (1 + 0.08 * fine)
    strip = np.clip(1.2 - np.abs(offset) / (0.38 * half), 0, 1) * np.clip(0.45 + 0.35 * middle, 0, 0.85)
    rim = np.clip((np.abs(offset) - half + 0.5 + 0.2 * fine) / 0.8, 0, 0.6)
    mixed = sand + strip * (grass - sand)
    return np.asarray(mixed + rim * (ground - mixed))


def _near(water: NDArray[np.bool_], site: Site) -> NDArray[np.bool_]:
    """Pixels within about 3 m of water, along rows and columns."""
    steps = max(1, round(3 / site.resolution_m))
    grown = water.copy()
    for axis in (0, 1):
        for shift in (steps, -steps):
            grown |= np.roll(water, shift, axis=axis)
    return grown

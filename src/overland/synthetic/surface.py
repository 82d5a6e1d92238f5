"""Surfaces of a synthetic landscape: the ground cover with its rows, growth and grain, and the roads on it.

Roads lie exactly on the pixel grid, with asphalt, markings, verges and tracks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry import Polygon

from overland.synthetic.parcels import Parcel
from overland.synthetic.roads import KINDS, PlannedRoad, Site

__all__ = [
    "Noise",
    "Pavement",
    "Surface",
    "burn",
    "lay_pavement",
    "make_noise",
    "paint_cover",
    "paint_roads",
    "row_blocks",
    "surface_from_use",
]


Array = NDArray[np.float32]
Rgb = tuple[float, float, float]
_ROWS_PER_BLOCK = 256
_SHEET_PX = 1024

# Colour, and the colour it turns to where growth is thin. Reflectances in a sunny orthophoto, 0 to 1.
_CROPS: tuple[tuple[Rgb, Rgb], ...] = (
    ((0.34, 0.44, 0.21), (0.45, 0.50, 0.28)),  # young cereals
    ((0.27, 0.37, 0.18), (0.36, 0.41, 0.24)),  # beet, potatoes
    ((0.39, 0.46, 0.24), (0.52, 0.50, 0.31)),  # maize
    ((0.71, 0.63, 0.42), (0.62, 0.55, 0.36)),  # ripe grain
    ((0.64, 0.57, 0.42), (0.56, 0.48, 0.36)),  # stubble
    ((0.49, 0.40, 0.31), (0.58, 0.49, 0.38)),  # ploughed earth
    ((0.58, 0.52, 0.44), (0.49, 0.45, 0.39)),  # harrowed, pale earth
    ((0.54, 0.495, 0.43), (0.61, 0.56, 0.49)),  # stony, grey earth
    ((0.65, 0.62, 0.30), (0.50, 0.54, 0.27)),  # rape in flower
)
_SEASONS = {
    "spring": (4, 1, 2, 0, 0, 2, 2, 1.2, 1.4),
    "summer": (2, 3, 3, 3, 1, 1, 1, 0.8, 0),
    "harvest": (0, 2, 3, 2, 4, 2, 2, 1.2, 0),
    "autumn": (3, 1, 1, 0, 2, 3, 3, 1.5, 0),
}


@dataclass(frozen=True)
class Surface:
    """The look of a piece of ground.

    Attributes:
        use: A parcel's use, or strip, scrub, drive, yard or water.
        color: Reflectance of red, green and blue, from 0 to 1.
        thin: The colour where growth is thin.
        heading: Direction of the rows in radians.
        spacing_m: Distance of the rows in metres.
        contrast: Contrast of the rows.
        tramlines: Contrast of wheel tracks every 21 m.
        patchy: How much the thin colour shows, from 0 to 1.
        grain: Strength of fine texture.
    """

    use: str
    color: Rgb
    thin: Rgb
    heading: float = 0.0
    spacing_m: float = 3.0
    contrast: float = 0.0
    tramlines: float = 0.0
    patchy: float = 0.4
    grain: float = 0.06


class Noise(NamedTuple):
    """Smooth noise of unit variance at three sizes, (height, width) each.

    Attributes:
        broad: About 70 m.
        middle: About 11 m.
        fine: About 1.6 m.
    """

    broad: Array
    middle: Array
    fine: Array


def make_noise(rng: np.random.Generator, site: Site) -> Noise:
    """Draw the noise that all surfaces of a scene share.

    Args:
        rng: Random generator of the picture.
        site: Extent and pixel size of the scene.

    Returns:
        The noise.
    """
    layers = []
    for size_m in (70.0, 11.0, 1.6):
        cell = size_m / site.resolution_m
        # Large scenes mirror one sheet of many cells.
        sheet = max(_SHEET_PX, round(200 * cell))
        height, width = min(site.height, sheet), min(site.width, sheet)
        # Two lattices of different size, so that neither shows.
        noise = 0.75 * _smooth_noise(rng, height, width, cell) + 0.66 * _smooth_noise(rng, height, width, 0.57 * cell)
        layers.append(np.pad(noise, ((0, site.height - height), (0, site.width - width)), mode="symmetric"))
    return Noise(*layers)


def surface_from_use(rng: np.random.Generator, parcel: Parcel, season: str) -> Surface:
    """Draw the look of a parcel from its use and the season.

    Args:
        rng: Random generator of the plan.
        parcel: The parcel.
        season: spring, summer, harvest or autumn.

    Returns:
        The surface.
    """
    heading = parcel.heading + (math.pi / 2 if rng.random() < 0.25 else 0.0) + rng.normal(0, 0.02)
    if parcel.use == "forest":
        return Surface(parcel.use, _vary(rng, (0.17, 0.21, 0.12)), (0.24, 0.23, 0.15), patchy=0.5, grain=0.16)
    if parcel.use == "garden":
        color = ((0.38, 0.45, 0.25), (0.45, 0.47, 0.30), (0.52, 0.49, 0.38), (0.33, 0.40, 0.22))[rng.choice(4)]
        return Surface(parcel.use, _vary(rng, color), (0.50, 0.49, 0.34), patchy=0.6, grain=0.10)
    if parcel.use == "grass":
        lush, dry = (0.40, 0.47, 0.26), (0.56, 0.54, 0.36)
        mown = 0.05 if rng.random() < 0.4 else 0.0
        return Surface(parcel.use, _vary(rng, lush), dry, heading, rng.uniform(5, 9), mown, patchy=0.75, grain=0.08)
    weights = np.array(_SEASONS[season], dtype=float)
    color, thin = _CROPS[rng.choice(len(_CROPS), p=weights / weights.sum())]
    rows, tram = rng.uniform(0.015, 0.085), rng.uniform(0.0, 0.16)
    return Surface(
        parcel.use, _vary(rng, color), thin, heading, rng.uniform(1.6, 4.5), rows, tram, rng.uniform(0.2, 0.8)
    )


def burn(site: Site, shapes: Sequence[Polygon], values: Sequence[int]) -> NDArray[np.int32]:
    """Burn polygons into an array, later ones over earlier ones.

    Args:
        site: Extent and pixel size of the scene.
        shapes: Polygons in local metres.
        values: The value of each.

    Returns:
        Values (height, width), 0 elsewhere.
    """
    image = Image.new("I", (site.width, site.height))
    draw = ImageDraw.Draw(image)
    for shape, value in zip(shapes, values, strict=True):
        for part in shapely.get_parts(shape):
            ring = np.asarray(part.exterior.coords) / site.resolution_m - 0.5
            draw.polygon(ring.ravel().tolist(), fill=int(value))
    return np.asarray(image, dtype=np.int32)


def row_blocks(height: int) -> Iterator[slice]:
    """Cut rows into blocks that keep the arrays of per-pixel work in the processor's cache.

    Args:
        height: Number of rows.

    Yields:
        Slices of rows.
    """
    for start in range(0, height, _ROWS_PER_BLOCK):
        yield slice(start, min(height, start + _ROWS_PER_BLOCK))


def paint_cover(site: Site, cover: NDArray[np.int32], surfaces: Sequence[Surface], noise: Noise) -> Array:
    """Paint the ground.

    Args:
        site: Extent and pixel size of the scene.
        cover: Index of the surface of each pixel (height, width).
        surfaces: The surfaces.
        noise: The scene's noise.

    Returns:
        Reflectances (3, height, width) from 0 to 1.
    """
    image = np.empty((3, *cover.shape), dtype=np.float32)
    color = np.array([s.color for s in surfaces], dtype=np.float32).T
    change = np.array([s.thin for s in surfaces], dtype=np.float32).T - color
    patchy = np.array([s.patchy for s in surfaces], dtype=np.float32)
    grain = np.array([s.grain for s in surfaces], dtype=np.float32)
    # Crop rows, and the wheel tracks along them.
    heading = np.array([s.heading for s in surfaces])
    sin, cos = np.sin(heading).astype(np.float32), np.cos(heading).astype(np.float32)
    wave = np.array([2 * math.pi / s.spacing_m for s in surfaces], dtype=np.float32)
    contrast = np.array([s.contrast for s in surfaces], dtype=np.float32)
    tramlines = np.array([s.tramlines for s in surfaces], dtype=np.float32)
    x = (np.arange(site.width, dtype=np.float32) + 0.5) * np.float32(site.resolution_m)
    for rows in row_blocks(site.height):
        ids = cover[rows]
        broad, middle, fine = (layer[rows] for layer in noise)
        thin = patchy[ids] * np.clip(0.25 + 0.3 * broad + 0.22 * middle + 0.08 * fine, 0, 1)
        light = 1 + 0.03 * broad + 0.03 * middle + grain[ids] * fine
        y = (np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5) * np.float32(site.resolution_m)
        across = y * cos[ids] - x * sin[ids] + np.float32(0.8) * broad
        wheel = np.abs(np.abs(across % 21 - 10.5) - 0.9) < 0.42
        light += contrast[ids] * np.sin(across * wave[ids]) - tramlines[ids] * wheel
        for band in range(3):
            image[band, rows] = (color[band][ids] + thin * change[band][ids]) * light
    return image


def _smooth_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Array:
    coarse = Image.fromarray(
        rng.standard_normal((math.ceil(height / cell) + 3, math.ceil(width / cell) + 3), np.float32)
    )
    fine = coarse.resize((width, height), Image.Resampling.BICUBIC, box=(1.0, 1.0, 1 + width / cell, 1 + height / cell))
    # Interpolation between independent values lowers their variance; this puts it back to about 1.
    return np.asarray(fine, dtype=np.float32) * np.float32(1.35)


def _vary(rng: np.random.Generator, color: Rgb) -> Rgb:
    red, green, blue = np.array(color) * (1 + rng.normal(0, 0.06)) * (1 + rng.normal(0, 0.016, 3))
    return float(red), float(green), float(blue)


_VERGE_M = 4.0
_ASPHALT = np.array(
    [[0.40, 0.40, 0.41], [0.50, 0.49, 0.48], [0.57, 0.54, 0.49], [0.34, 0.35, 0.37], [0.49, 0.45, 0.40]]
)
_SAND = np.array([[0.68, 0.60, 0.47], [0.60, 0.54, 0.44], [0.73, 0.68, 0.58]])
_CONCRETE = np.array([[0.66], [0.65], [0.62]])


@dataclass(frozen=True)
class Pavement:
    """The roads on the pixel grid, (height, width) each.

    Attributes:
        road: The road on a pixel: 1 + its index, 0 for none.
        offset_m: Metres from that road's axis.
        along_m: Metres along it.
        edge_m: Metres to the nearest road edge: negative on roads, at most 4 elsewhere.
    """

    road: NDArray[np.uint16]
    offset_m: Array
    along_m: Array
    edge_m: Array


def lay_pavement(site: Site, roads: Sequence[PlannedRoad]) -> Pavement:
    """Measure every pixel against every road near it; where roads cross, the more important one is on top.

    Args:
        site: Extent and pixel size of the scene.
        roads: The roads.

    Returns:
        The pavement.
    """
    shape = (site.height, site.width)
    number, offset, along = np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    pavement = Pavement(number, offset, along, np.full(shape, _VERGE_M, np.float32))
    ranks = [(KINDS.index(road.kind), road.width_m) for road in roads]
    levels = np.array([-1, *map(sorted(set(ranks)).index, ranks)])
    for index in np.argsort(levels[1:], kind="stable").tolist():
        layer = _Layer(index + 1, roads[index].width_m / 2, levels < levels[index + 1])
        points = np.asarray(roads[index].line.coords)
        lengths = np.hypot(*np.diff(points, axis=0).T)
        starts = np.concatenate([[0.0], np.cumsum(lengths)])
        for i in np.flatnonzero(lengths > 0):
            _lay_segment(site, pavement, layer, points[i : i + 2], float(starts[i]))
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
    """Paint verges and roads over the ground, in place.

    Args:
        rng: Random generator of the picture.
        image: Reflectances (3, height, width) from 0 to 1.
        site: Extent and pixel size of the scene.
        pavement: The roads on the pixel grid.
        roads: The roads.
        noise: The scene's noise.
        water: True on water (height, width).
    """
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
    # Asphalt: paler in the wheel paths, worn at the edges, repaired in places, with dashes and edge lines.
    wheel = np.exp(-(((np.abs(np.abs(offset) - half * 0.45)) / 0.5) ** 2))
    worn = np.clip((np.abs(offset) - half + 0.7) / 0.7, 0, 1)
    light = 1 + 0.05 * wheel + 0.05 * middle + 0.05 * fine
    light -= 0.09 * ((np.sin(along / 23) > 0.82) & (middle > 0.2))
    color = base * light + worn * 0.06 * (1 + fine)
    dashes = (np.abs(offset) < 0.26) & (along % 12 < 5) & (ranks >= 2)
    edges = (np.abs(np.abs(offset) - half + 0.55) < 0.26) & (ranks == 3)
    line = np.where(dashes, 0.6, 0.0) + np.where(edges, 0.5, 0.0)
    paved = np.asarray(color + line * (0.86 - color))
    painted = np.where(ranks == 0, _track(base, ground, offset, half, middle, fine), paved)
    # Within about 3 m of water, along rows and columns, a road is a bridge.
    steps = max(1, round(3 / site.resolution_m))
    shifts = [(shift, axis) for axis in (0, 1) for shift in (steps, -steps)]
    near_water = np.logical_or.reduce([water, *(np.roll(water, shift, axis=axis) for shift, axis in shifts)])
    bridge = near_water.ravel()[on_road] & (np.abs(offset) > half - 0.7) & (ranks > 0)
    flat[:, on_road] = np.where(bridge, _CONCRETE, painted)


class _Layer(NamedTuple):
    """A road on its way onto the grid: its number there, half its width, and for each number whether it lies below."""

    number: int
    half_m: float
    covers: NDArray[np.bool_]


def _lay_segment(site: Site, pavement: Pavement, layer: _Layer, segment: NDArray[np.float64], start_m: float) -> None:
    reach_m = layer.half_m + _VERGE_M
    low = np.floor((segment.min(axis=0) - reach_m) / site.resolution_m).astype(int)
    high = np.ceil((segment.max(axis=0) + reach_m) / site.resolution_m).astype(int)
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (site.width, site.height))
    if left >= right or top >= bottom:
        return
    rows, cols = window = slice(top, bottom), slice(left, right)
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

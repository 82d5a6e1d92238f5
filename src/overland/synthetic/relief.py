"""Relief of a synthetic landscape: roofs and tree crowns with their height, and the shadows that they cast.

Trees grow in woods, hedges, gardens and pastures, in rows along roads and on the banks of water.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from shapely.ops import substring

from overland.synthetic.buildings import House
from overland.synthetic.roads import PlannedRoad, Site
from overland.synthetic.surface import Noise, row_blocks

__all__ = [
    "Ground",
    "Relief",
    "Sun",
    "Trees",
    "cast_shadows",
    "empty_relief",
    "paint_crowns",
    "plan_trees",
    "raise_crowns",
    "raise_roofs",
]


Array = NDArray[np.float32]
_VARIANTS = 7
_ROOFS = np.array([
    [0.60, 0.33, 0.24], [0.53, 0.29, 0.23], [0.66, 0.41, 0.30], [0.44, 0.31, 0.26],
    [0.38, 0.38, 0.40], [0.50, 0.49, 0.48], [0.30, 0.31, 0.34],
])  # fmt: skip
_BARNS = np.array([[0.62, 0.61, 0.59], [0.48, 0.47, 0.46], [0.52, 0.32, 0.26], [0.70, 0.71, 0.72], [0.40, 0.46, 0.50]])
_CARS = np.array([[0.85, 0.85, 0.85], [0.12, 0.12, 0.14], [0.55, 0.56, 0.58], [0.50, 0.12, 0.12], [0.16, 0.25, 0.45]])


@dataclass(frozen=True)
class Sun:
    """The position of the sun.

    Attributes:
        azimuth: Direction on the picture (x right, y down) in radians.
        elevation: Height above the horizon in radians.
    """

    azimuth: float
    elevation: float

    @property
    def towards(self) -> tuple[float, float, float]:
        """Unit vector to the sun: right, down, up."""
        flat = math.cos(self.elevation)
        return flat * math.cos(self.azimuth), flat * math.sin(self.azimuth), math.sin(self.elevation)


@dataclass(frozen=True)
class Trees:
    """Tree crowns.

    Attributes:
        points: Centres (n, 2) in local metres.
        radius_m: Radii (n,) in metres.
        height_m: Heights (n,) in metres.
        species: Index of the palette (n,).
    """

    points: NDArray[np.float64]
    radius_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
    species: NDArray[np.uint8]


@dataclass(frozen=True)
class Relief:
    """The heights of a scene, and the crowns on top, (height, width) each.

    Attributes:
        top_m: Height above the ground in metres.
        light: Light of the crown; 0 where there is none.
        species: Species of the crown, from 1; 0 where there is none.
    """

    top_m: Array
    light: Array
    species: NDArray[np.uint8]


def empty_relief(site: Site) -> Relief:
    """Make bare ground.

    Args:
        site: Extent and pixel size of the scene.

    Returns:
        A relief (height, width) with nothing on it.
    """
    shape = (site.height, site.width)
    return Relief(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.uint8))


def raise_roofs(
    rng: np.random.Generator, image: Array, relief: Relief, site: Site, houses: Sequence[House], sun: Sun
) -> NDArray[np.bool_]:
    """Build houses, barns and cars into picture and relief, in place.

    Args:
        rng: Random generator of the picture.
        image: Reflectances (3, height, width) from 0 to 1.
        relief: Heights of the scene.
        site: Extent and pixel size of the scene.
        houses: The buildings.
        sun: Position of the sun.

    Returns:
        True where buildings stand (height, width).
    """
    built = np.zeros((site.height, site.width), dtype=bool)
    for house in houses:
        reach_m = math.hypot(house.length_m, house.width_m) / 2
        left, top = (max(0, math.floor((value - reach_m) / site.resolution_m)) for value in (house.x, house.y))
        right = min(site.width, math.ceil((house.x + reach_m) / site.resolution_m))
        bottom = min(site.height, math.ceil((house.y + reach_m) / site.resolution_m))
        window = (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None
        if window is not None:
            inside = _raise_roof(rng, image, relief, site, house, sun, window)
            if house.style != "car":
                built[window] |= inside
    return built


def raise_crowns(rng: np.random.Generator, relief: Relief, site: Site, trees: Trees, sun: Sun) -> None:
    """Stamp tree crowns into the relief, in place; of overlapping crowns the higher one is seen.

    Args:
        rng: Random generator of the picture.
        relief: Heights of the scene.
        site: Extent and pixel size of the scene.
        trees: The trees.
        sun: Position of the sun.
    """
    stamps: dict[int, list[tuple[Array, Array]]] = {}
    variants = rng.integers(_VARIANTS, size=len(trees.points))
    pixels = np.floor(trees.points / site.resolution_m).astype(int)
    reach = np.maximum(1, np.round(trees.radius_m / site.resolution_m)).astype(int)
    for (col, row), size, height, species, variant in zip(
        pixels.tolist(), reach.tolist(), trees.height_m.tolist(), trees.species.tolist(), variants.tolist(), strict=True
    ):
        if size not in stamps:
            stamps[size] = [_crown(rng, size, sun) for _ in range(_VARIANTS)]
        shape, light = stamps[size][variant]
        top, left = row - size - 1, col - size - 1
        r0, r1 = max(top, 0), min(top + len(shape), site.height)
        c0, c1 = max(left, 0), min(left + len(shape), site.width)
        if r0 >= r1 or c0 >= c1:
            continue
        window = (slice(r0, r1), slice(c0, c1))
        part = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
        crown = shape[part] * np.float32(height)
        seen = crown > relief.top_m[window]
        relief.top_m[window][seen] = crown[seen]
        relief.light[window][seen] = light[part][seen]
        relief.species[window][seen] = species


def cast_shadows(relief: Relief, site: Site, sun: Sun) -> NDArray[np.bool_]:
    """Find the pixels that lie in shadow of something higher.

    Args:
        relief: Heights of the scene.
        site: Extent and pixel size of the scene.
        sun: Position of the sun.

    Returns:
        True in shadow (height, width).
    """
    right, down, up = sun.towards
    drop = up / math.hypot(right, down) * site.resolution_m
    angle = sun.azimuth
    horizon = relief.top_m.copy()
    step = 1
    # Doubling: after k rounds every height has been carried 2^k - 1 pixels away from the sun.
    while step * drop < float(relief.top_m.max(initial=0)):
        # What stands `towards_row` rows down and `towards_col` columns right of each pixel; ground beyond the edge.
        towards_row = round(step * math.sin(angle))
        towards_col = round(step * math.cos(angle))
        rows, cols = horizon.shape
        moved = np.zeros_like(horizon)
        r0, r1 = max(0, -towards_row), min(rows, rows - towards_row)
        c0, c1 = max(0, -towards_col), min(cols, cols - towards_col)
        if r0 < r1 and c0 < c1:
            moved[r0:r1, c0:c1] = horizon[r0 + towards_row : r1 + towards_row, c0 + towards_col : c1 + towards_col]
        shifted = moved
        shifted -= np.float32(step * drop)
        np.maximum(horizon, shifted, out=horizon)
        step *= 2
    return np.asarray(horizon > relief.top_m + 0.8)


def paint_crowns(image: Array, relief: Relief, noise: Noise, palette: NDArray[np.float64]) -> None:
    """Colour the crowns of the relief into the picture, in place.

    Args:
        image: Reflectances (3, height, width) from 0 to 1.
        relief: Heights of the scene.
        noise: The scene's noise.
        palette: Colours of the leaves (species, 3).
    """
    colors = np.concatenate([np.zeros((1, 3)), palette]).astype(np.float32)
    for rows in row_blocks(image.shape[1]):
        where = relief.species[rows] > 0
        species, light = relief.species[rows][where], relief.light[rows][where]
        leafy = light * (1 + 0.05 * noise.middle[rows][where] + 0.09 * noise.fine[rows][where])
        for band in range(3):
            image[band, rows][where] = colors[species, band] * leafy


def _raise_roof(
    rng: np.random.Generator,
    image: Array,
    relief: Relief,
    site: Site,
    house: House,
    sun: Sun,
    window: tuple[slice, slice],
) -> NDArray[np.bool_]:
    # Metres along and across the house from its centre, for each pixel of a window.
    rows, cols = window
    x = (np.arange(cols.start, cols.stop) + 0.5) * site.resolution_m - house.x
    y = ((np.arange(rows.start, rows.stop) + 0.5) * site.resolution_m - house.y)[:, None]
    cos, sin = math.cos(house.heading), math.sin(house.heading)
    u, v = x * cos + y * sin, y * cos - x * sin
    inside = (np.abs(u) <= house.length_m / 2) & (np.abs(v) <= house.width_m / 2)
    slope = {"home": rng.uniform(0.5, 0.9), "shed": 0.15, "barn": rng.uniform(0.2, 0.4), "car": 0.0}[house.style]
    hipped = house.style == "home" and rng.random() < 0.3
    to_ridge, to_end = house.width_m / 2 - np.abs(v), house.length_m / 2 - np.abs(u)
    rise = np.minimum(to_ridge, to_end) if hipped else to_ridge
    on_end = hipped & (to_end < to_ridge)
    top = house.eave_m + slope * rise
    seen = inside & (top > relief.top_m[window])
    # Lambert's cosine of each roof face against that of flat ground.
    right, down, up = sun.towards
    facing = np.where(on_end, np.sign(u) * (right * cos + down * sin), np.sign(v) * (down * cos - right * sin))
    lambert = np.clip((slope * facing + up) / math.hypot(slope, 1.0), 0, None) / up
    light = np.asarray(0.38 + 0.62 * lambert)
    light *= 1 + 0.04 * np.sin(2 * math.pi * rise / 0.9) + rng.normal(0, 0.03, u.shape)
    light[(np.abs(v) < 0.3) & ~on_end & (house.style != "car")] *= 1.12
    palette = {"home": _ROOFS, "shed": _BARNS, "barn": _BARNS, "car": _CARS}[house.style]
    color = np.asarray(palette[rng.integers(len(palette))] * (1 + rng.normal(0, 0.07)) * (1 + rng.normal(0, 0.02, 3)))
    image[:, window[0], window[1]][:, seen] = np.clip(color[:, None] * light[seen], 0, 1)
    relief.top_m[window][seen] = top[seen]
    return np.asarray(inside)


def _crown(rng: np.random.Generator, size: int, sun: Sun) -> tuple[Array, Array]:
    """Relative height (0 outside) and light of a crown of `size` pixels radius: a lumpy dome, lit from the sun."""
    y, x = np.mgrid[-size - 1 : size + 2, -size - 1 : size + 2].astype(np.float32)
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    rim = np.ones_like(angle)
    for wave in (2, 3, 5, 8):
        rim += rng.normal(0, 0.055) * np.sin(wave * angle + rng.uniform(0, 2 * math.pi))
    inner = np.clip(1 - (distance / (rim * (size + 0.4))) ** 2, 0, None)
    dome = np.sqrt(inner) * (1 + 0.12 * rng.standard_normal(x.shape))
    slope_y, slope_x = np.gradient(dome * size * 0.75)
    right, down, up = sun.towards
    lambert = (up - slope_x * right - slope_y * down) / np.sqrt(1 + slope_x**2 + slope_y**2) / up
    light = 0.45 + 0.6 * np.clip(lambert, 0, 1.7)
    height = np.where(inner > 0, 0.55 + 0.45 * dome, 0)
    return height.astype(np.float32), light.astype(np.float32)


Points = NDArray[np.float64]
Span = tuple[float, float]
_CONIFER = 5
_BROADLEAVED = (1, 2, 3, 4, 6)


class Ground(NamedTuple):
    """The ground on which trees may grow, (height, width) each but `uses`.

    Attributes:
        cover: Use of each pixel, an index of `uses`.
        uses: Names of the uses.
        blocked: True where nothing grows.
        broad: Smooth noise that sorts species into stands.
    """

    cover: NDArray[np.int32]
    uses: NDArray[np.str_]
    blocked: NDArray[np.bool_]
    broad: Array


def plan_trees(
    rng: np.random.Generator,
    site: Site,
    ground: Ground,
    rows: Sequence[tuple[LineString, PlannedRoad | None]],
    banks: Sequence[Polygon],
) -> Trees:
    """Plant the trees of a scene on its free ground.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        ground: Where trees may grow.
        rows: Field boundaries (without a road) and roads, along which trees grow.
        banks: Ground round water.

    Returns:
        The trees.
    """
    groups = [*_areas(rng, site, ground), *_rows(rng, rows)]
    for bank in banks:
        for start in np.arange(0, bank.exterior.length, 45.0):
            if rng.random() < 0.55:
                stretch = substring(bank.exterior, start, start + 45.0)
                if isinstance(stretch, LineString):
                    groups.append((_beside(rng, stretch, (3, 18), 0.0, 1.5), (1.6, 4.0), (4, 12)))
    points = np.concatenate([points for points, _, _ in groups])
    radius = np.concatenate([rng.uniform(*span, len(points)) for points, span, _ in groups])
    height = np.concatenate([rng.uniform(*span, len(points)) for points, _, span in groups])
    free = ~_at(site, ground.blocked, points)
    # Conifers in stands, broad-leaved trees mixed elsewhere.
    broad = _at(site, ground.broad, points)
    species = np.array(_BROADLEAVED, dtype=np.uint8)[rng.integers(len(_BROADLEAVED), size=len(broad))]
    species[(broad + rng.normal(0, 0.3, len(broad)) > 0.9) & (height > 8)] = _CONIFER
    return Trees(points[free], radius[free], height[free], species[free])


def _areas(rng: np.random.Generator, site: Site, ground: Ground) -> Iterator[tuple[Points, Span, Span]]:
    """Trees of woods, gardens and pastures: spacing, fraction that grows, radius and height by use."""
    plans = (
        ("forest", 4.4, 0.96, (1.9, 3.8), (10, 19)),
        ("garden", 9.0, 0.32, (1.1, 3.2), (2.5, 9)),
        ("grass", 34.0, 0.1, (2.4, 5.0), (6, 14)),
        ("scrub", 3.2, 0.5, (0.9, 2.4), (2, 7)),
    )
    for use, spacing, fraction, radius, height in plans:
        # Points over the scene and a rim of 8 m round it, (n, 2).
        x, y = np.arange(-8, site.width_m + 8, spacing), np.arange(-8, site.height_m + 8, spacing)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        points = np.asarray(points + rng.uniform(-0.45, 0.45, points.shape) * spacing)
        grows = rng.random(len(points)) < fraction
        yield points[grows & (ground.uses[_at(site, ground.cover, points)] == use)], radius, height


def _rows(
    rng: np.random.Generator, rows: Sequence[tuple[LineString, PlannedRoad | None]]
) -> Iterator[tuple[Points, Span, Span]]:
    """Hedges on field boundaries and beside tracks; rows of tall trees beside paved roads."""
    for line, road in rows:
        if road is None:
            if rng.random() < 0.38:
                yield _beside(rng, line, (1.5, 2.8), 0.0, 0.4), (1.0, 2.1), (2, 6)
                yield _beside(rng, line, (12, 60), 0.0, 0.8), (2.2, 4.2), (7, 13)
            continue
        for side in (-1.0, 1.0):
            draw = rng.random()
            if road.kind == "track" and draw < 0.3:
                yield _beside(rng, line, (1.8, 6.0), side * (road.width_m / 2 + 1.3), 0.5), (1.1, 2.6), (2, 8)
            elif road.kind != "track" and draw < 0.2:
                yield _beside(rng, line, (8, 16), side * (road.width_m / 2 + 2.4), 0.4), (2.6, 4.7), (8, 15)


def _beside(rng: np.random.Generator, line: LineString, every_m: Span, offset_m: float, spread_m: float) -> Points:
    """Points along a line, (n, 2), moved `offset_m` to one side of it."""
    at = np.cumsum(rng.uniform(*every_m, int(line.length / every_m[0]) + 1))
    at = at[at < line.length - 0.5]
    points = shapely.get_coordinates(shapely.line_interpolate_point(line, at)).reshape(-1, 2)
    step = shapely.get_coordinates(shapely.line_interpolate_point(line, at + 0.5)).reshape(-1, 2) - points
    side = np.column_stack([-step[:, 1], step[:, 0]]) / np.hypot(*step.T)[:, None].clip(1e-9)
    return np.asarray(points + side * offset_m + rng.normal(0, spread_m, points.shape))


def _at(site: Site, raster: NDArray[Any], points: Points) -> NDArray[Any]:
    """Values of a raster at points; beyond its edge, those of the nearest pixel."""
    cols, rows = np.floor(points / site.resolution_m).astype(int).T
    return np.asarray(raster[rows.clip(0, site.height - 1), cols.clip(0, site.width - 1)])

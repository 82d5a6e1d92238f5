"""A synthetic landscape: a seeded scene that looks like aerial imagery, with its exact class mask and road graph.

It is what the demo learns from and maps when no data are at hand. The plan comes first (river, roads, parcels,
buildings, trees, in metres), then the picture: ground, roads, roofs and crowns, shadows. Last comes the camera: season
and sun are drawn for each scene, and light becomes bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import LineString, Polygon

from overland.errors import UsageError
from overland.legend import Legend
from overland.raster import Grid
from overland.synthetic.buildings import House, plan_cars, plan_houses
from overland.synthetic.parcels import Parcel, Parcels, plan_parcels, plan_villages
from overland.synthetic.relief import (
    Ground,
    Sun,
    cast_shadows,
    empty_relief,
    paint_crowns,
    plan_trees,
    raise_crowns,
    raise_roofs,
)
from overland.synthetic.roads import Site, plan_lakes, plan_river, plan_roads
from overland.synthetic.surface import (
    Surface,
    burn,
    lay_pavement,
    make_noise,
    paint_cover,
    paint_roads,
    row_blocks,
    surface_from_use,
)

__all__ = [
    "LANDSCAPE_LEGEND",
    "SMALLEST_SIDE",
    "Landscape",
    "Look",
    "Road",
    "develop",
    "draw_look",
    "shade",
    "synthetic_landscape",
]


Array = NDArray[np.float32]
_LEAVES = np.array([
    [0.29, 0.37, 0.19], [0.25, 0.33, 0.17], [0.33, 0.40, 0.20], [0.22, 0.30, 0.17],
    [0.17, 0.25, 0.17], [0.36, 0.39, 0.22],
])  # fmt: skip
_AUTUMN = np.array([[0.50, 0.38, 0.18], [0.42, 0.36, 0.18], [0.55, 0.46, 0.22], [0.34, 0.35, 0.18]])
_SKYLIGHT = (0.40, 0.44, 0.54)
_HAZE = (0.66, 0.70, 0.76)


@dataclass(frozen=True)
class Look:
    """Season, sun and camera of a scene, in which scenes of one kind differ.

    Attributes:
        season: spring, summer, harvest or autumn.
        sun: Position of the sun.
        leaves: Colours of the leaves (species, 3).
        tint: Gain of each band (3,).
        exposure: Gain of all bands.
        haze: Fraction of the light that is haze.
        blur_px: Standard deviation of the lens's blur in pixels.
        noise: Standard deviation of the sensor noise, of 1.
    """

    season: str
    sun: Sun
    leaves: NDArray[np.float64]
    tint: NDArray[np.float64]
    exposure: float
    haze: float
    blur_px: float
    noise: float


def draw_look(rng: np.random.Generator) -> Look:
    """Draw season, sun and camera of a scene; the sun stands in the south, between late morning and afternoon.

    Args:
        rng: Random generator of the plan.

    Returns:
        The look.
    """
    season = str(rng.choice(["spring", "summer", "harvest", "autumn"], p=[0.28, 0.3, 0.27, 0.15]))
    leaves = _LEAVES * rng.uniform(0.88, 1.1) * (1 + rng.normal(0, 0.03, 3))
    if season == "autumn":
        leaves[: len(_AUTUMN)] += rng.uniform(0.25, 0.7) * (_AUTUMN - leaves[: len(_AUTUMN)])
    return Look(
        season=season,
        sun=Sun(math.radians(rng.uniform(35, 145)), math.radians(rng.uniform(36, 56))),
        leaves=leaves,
        tint=1 + rng.normal(0, 0.025, 3),
        exposure=rng.uniform(0.98, 1.2),
        haze=rng.uniform(0.0, 0.13),
        blur_px=rng.uniform(0.5, 0.75),
        noise=rng.uniform(0.006, 0.014),
    )


def shade(image: Array, shadow: NDArray[np.bool_]) -> None:
    """Darken shadows in place down to the light of the blue sky; their rim is soft.

    Args:
        image: Reflectances (3, height, width) from 0 to 1.
        shadow: True in shadow (height, width).
    """
    for rows in row_blocks(image.shape[1]):
        soft = ndimage.uniform_filter(shadow[rows].astype(np.float32), 2)
        for band, sky in enumerate(_SKYLIGHT):
            image[band, rows] *= 1 - soft * np.float32(1 - sky)


def develop(rng: np.random.Generator, image: Array, broad: Array, look: Look) -> NDArray[np.uint8]:
    """Turn light into bytes: uneven light, haze, lens blur, exposure and sensor noise.

    Args:
        rng: Random generator of the camera.
        image: Light (3, height, width) from 0 to 1.
        broad: Smooth noise (height, width).
        look: Season, sun and camera of the scene.

    Returns:
        The picture (3, height, width).
    """
    pixels = np.empty(image.shape, dtype=np.uint8)
    for band in range(3):
        blurred = ndimage.gaussian_filter(image[band], look.blur_px, mode="nearest", truncate=3.0)
        gain = np.float32(look.exposure * look.tint[band])
        air = np.float32(look.haze * _HAZE[band])
        for rows in row_blocks(image.shape[1]):
            lit = blurred[rows] * gain * (1 + np.float32(0.025) * broad[rows]) * np.float32(1 - look.haze) + air
            lit += np.float32(look.noise) * rng.standard_normal(lit.shape, dtype=np.float32)
            pixels[band, rows] = np.clip(lit * 255 + 0.5, 0, 255)
    return pixels


LANDSCAPE_LEGEND = Legend(
    names=("field", "road", "building", "forest", "water"),
    colors=((222, 206, 140), (228, 87, 46), (128, 64, 92), (46, 112, 62), (58, 124, 196)),
)
_CRS = "EPSG:32633"
SMALLEST_SIDE = 64


@dataclass(frozen=True)
class Road:
    """An edge of the road graph.

    Attributes:
        line: Points (n, 2) in map coordinates x, y.
        width_m: Width in metres.
        kind: main, secondary, lane or track.
    """

    line: NDArray[np.float64]
    width_m: float
    kind: str


@dataclass(frozen=True)
class Landscape:
    """A synthetic scene with its truth.

    The mask tells what is on the ground: a road or a house under a tree is road or building; other ground under trees
    is forest.

    Attributes:
        image: Red, green and blue (3, height, width).
        mask: Ids of `LANDSCAPE_LEGEND` (height, width).
        grid: Size and place.
        roads: The edges of the road graph between its nodes, clipped to the scene.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    grid: Grid
    roads: tuple[Road, ...]


@dataclass(frozen=True)
class _Plan:
    parcels: Parcels
    ground: list[tuple[Polygon, Surface]]
    houses: list[House]
    cars: list[House]


def synthetic_landscape(seed: int, height: int, width: int, *, resolution_m: float = 0.5) -> Landscape:
    """Make a landscape; the same arguments give the same bytes.

    Args:
        seed: Seed, 0 or more.
        height: Height in pixels, 64 or more.
        width: Width in pixels, 64 or more.
        resolution_m: Size of a pixel in metres.

    Returns:
        The scene with its class mask and road graph.

    Raises:
        UsageError: The scene is too small, the resolution is not positive, or the seed is negative.
    """
    if seed < 0 or min(height, width) < SMALLEST_SIDE or resolution_m <= 0:
        raise UsageError(
            f"A landscape of {height} x {width} pixels at {resolution_m} m from seed {seed} cannot be made; ask for at "
            f"least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, a resolution above 0 and a seed of 0 or more."
        )
    site = Site(height, width, resolution_m)
    plan_rng, picture_rng, camera_rng = np.random.default_rng([seed, height, width]).spawn(3)
    look = draw_look(camera_rng)
    river = plan_river(plan_rng, site)
    network = plan_roads(plan_rng, site, river)
    villages = plan_villages(plan_rng, network.settlements)
    parcels = plan_parcels(plan_rng, site, network.roads, villages, river)
    roads = parcels.roads
    lakes = plan_lakes(plan_rng, site, [road.line for road in roads])
    water = [*lakes, *([river.surface] if river else [])]
    houses, drives = plan_houses(plan_rng, site, roads, villages, [shape.buffer(6) for shape in water])
    ground = _plan_ground(plan_rng, parcels, look.season, houses, drives, water)
    plan = _Plan(parcels, ground, houses, plan_cars(plan_rng, site, roads))
    image, mask = _picture(picture_rng, camera_rng, site, plan, look)
    # Somewhere in the lowlands of central Europe, on whole metres.
    left, top = float(plan_rng.integers(330_000, 660_000)), float(plan_rng.integers(5_330_000, 5_860_000))
    transform = Affine(site.resolution_m, 0.0, left, 0.0, -site.resolution_m, top)
    grid = Grid(height=site.height, width=site.width, transform=transform, crs=_CRS)
    roads_on_map = []
    for road in roads:
        for part in shapely.get_parts(shapely.intersection(road.line, site.scene)):
            if isinstance(part, LineString) and part.length > 0:
                local = np.asarray(part.coords)
                line = np.column_stack([left + local[:, 0], top - local[:, 1]])
                roads_on_map.append(Road(line, road.width_m, road.kind))
    return Landscape(image, mask, grid, tuple(roads_on_map))


def _plan_ground(
    rng: np.random.Generator,
    parcels: Parcels,
    season: str,
    houses: Sequence[House],
    drives: Sequence[LineString],
    waters: Sequence[Polygon],
) -> list[tuple[Polygon, Surface]]:
    """Cover the ground with surfaces, later ones over earlier ones."""
    land = [(parcel.polygon, surface_from_use(rng, parcel, season)) for parcel in parcels.parcels]
    woods = [piece for piece in land if piece[1].use == "forest"]
    # Gardens of houses, yards round farm buildings, and drives: some look like roads, and are none.
    yard = Surface("yard", (0.52, 0.50, 0.47), (0.50, 0.47, 0.38), patchy=0.8, grain=0.09)
    gravel = Surface("drive", (0.60, 0.57, 0.51), (0.52, 0.51, 0.45), grain=0.06)
    asphalt = Surface("drive", (0.47, 0.46, 0.46), (0.52, 0.50, 0.48), grain=0.05)
    plots = [
        (
            home.footprint.buffer(rng.uniform(5, 10), join_style="mitre"),
            surface_from_use(rng, Parcel(home.footprint, "garden", home.heading), "summer"),
        )
        for home in houses
        if home.style == "home"
    ]
    plots += [(house.footprint.buffer(rng.uniform(3, 9)), yard) for house in houses if house.style == "barn"]
    plots += [
        (drive.buffer(rng.uniform(1.2, 2.2), cap_style="flat"), gravel if rng.random() < 0.6 else asphalt)
        for drive in drives
    ]
    # Strips of rough grass lie on the boundaries of fields; where two parcels of wood meet, the wood covers them again.
    grass = Surface("strip", (0.45, 0.48, 0.28), (0.56, 0.53, 0.36), patchy=0.7, grain=0.13)
    strips = [
        (line.buffer(rng.uniform(0.6, 1.6), cap_style="flat"), grass)
        for line in parcels.boundaries
        if rng.random() < 0.75
    ]
    # Banks and the water between them, of one colour in a scene.
    bank = Surface("scrub", (0.38, 0.43, 0.25), (0.50, 0.48, 0.34), patchy=0.8, grain=0.14)
    deep = np.array([0.17, 0.24, 0.25]) + rng.uniform(0, 1) * np.array([0.06, 0.05, 0.0]) + rng.normal(0, 0.012, 3)
    red, green, blue = (float(value) for value in deep)
    water = Surface("water", (red, green, blue), (red * 1.18, green * 1.15, blue * 1.1), patchy=0.6, grain=0.012)
    wet = [*((shape.buffer(4.5), bank) for shape in waters), *((shape, water) for shape in waters)]
    return [*land, *strips, *woods, *plots, *wet]


def _picture(
    rng: np.random.Generator, camera_rng: np.random.Generator, site: Site, plan: _Plan, look: Look
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    roads = plan.parcels.roads
    surfaces = [Surface("strip", (0.45, 0.48, 0.28), (0.56, 0.53, 0.36)), *(surface for _, surface in plan.ground)]
    uses = np.array([surface.use for surface in surfaces])
    cover = burn(site, [shape for shape, _ in plan.ground], range(1, len(surfaces)))
    water = (uses == "water")[cover]
    noise = make_noise(rng, site)
    image = paint_cover(site, cover, surfaces, noise)
    pavement = lay_pavement(site, roads)
    paint_roads(rng, image, site, pavement, roads, noise, water)
    relief = empty_relief(site)
    built = raise_roofs(rng, image, relief, site, [*plan.houses, *plan.cars], look.sun)
    rows = [*((line, None) for line in plan.parcels.boundaries), *((road.line, road) for road in roads)]
    banks = [shape.buffer(2.0) for shape, surface in plan.ground if surface.use == "water"]
    blocked = built | water | (pavement.edge_m < 0.5)
    trees = plan_trees(rng, site, Ground(cover, uses, blocked, noise.broad), rows, banks)
    raise_crowns(rng, relief, site, trees, look.sun)
    paint_crowns(image, relief, noise, look.leaves)
    shade(image, cast_shadows(relief, site, look.sun))
    forest = (uses == "forest")[cover] | (relief.species > 0)
    mask = np.zeros(forest.shape, dtype=np.uint8)
    layers = (("forest", forest), ("water", water), ("building", built), ("road", pavement.road > 0))
    for name, where in layers:
        mask[where] = LANDSCAPE_LEGEND.id_from_name(name)
    return develop(camera_rng, image, noise.broad, look), mask

"""Where trees grow on a made landscape: woods, hedges, rows beside roads, gardens, pastures and banks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from shapely.ops import substring

from overland.datasets.landscape.relief import Trees
from overland.datasets.landscape.roads import PlannedRoad
from overland.datasets.landscape.site import Site

__all__ = ["Ground", "plan_trees"]

Array = NDArray[np.float32]
Points = NDArray[np.float64]
Span = tuple[float, float]
_CONIFER = 5
_BROADLEAVED = (1, 2, 3, 4, 6)


class Ground(NamedTuple):
    """Where trees may grow, (height, width) each but `uses`, which names the use of each value of `cover`.

    Nothing grows where it is `blocked`; `broad` is smooth noise that sorts species into stands.
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

    `rows` are field boundaries (without a road) and roads, beside which trees grow; `banks` surround water.
    """
    groups = [*_areas(rng, site, ground), *_rows(rng, rows), *_waterside(rng, banks)]
    points = np.concatenate([points for points, _, _ in groups])
    radius = np.concatenate([rng.uniform(*span, len(points)) for points, span, _ in groups])
    height = np.concatenate([rng.uniform(*span, len(points)) for points, _, span in groups])
    free = ~_at(site, ground.blocked, points)
    species = _species(rng, _at(site, ground.broad, points), height)
    return Trees(points[free], radius[free], height[free], species[free])


def _areas(rng: np.random.Generator, site: Site, ground: Ground) -> Iterator[tuple[Points, Span, Span]]:
    """Trees of woods, gardens and pastures: spacing, share that grows, radius and height by use."""
    plans = (
        ("forest", 4.4, 0.96, (1.9, 3.8), (10, 19)),
        ("garden", 9.0, 0.32, (1.1, 3.2), (2.5, 9)),
        ("grass", 34.0, 0.1, (2.4, 5.0), (6, 14)),
        ("scrub", 3.2, 0.5, (0.9, 2.4), (2, 7)),
    )
    for use, spacing, share, radius, height in plans:
        points = _shaken_lattice(rng, site, spacing)
        grows = rng.random(len(points)) < share
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


def _waterside(rng: np.random.Generator, banks: Sequence[Polygon]) -> Iterator[tuple[Points, Span, Span]]:
    for bank in banks:
        rim = bank.exterior
        for start in np.arange(0, rim.length, 45.0):
            if rng.random() < 0.55:
                stretch = substring(rim, start, start + 45.0)
                yield _beside(rng, stretch, (3, 18), 0.0, 1.5), (1.6, 4.0), (4, 12)


def _shaken_lattice(rng: np.random.Generator, site: Site, spacing_m: float) -> Points:
    """Points over the scene and a rim of 8 m round it, (n, 2)."""
    x, y = np.arange(-8, site.width_m + 8, spacing_m), np.arange(-8, site.height_m + 8, spacing_m)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.asarray(points + rng.uniform(-0.45, 0.45, points.shape) * spacing_m)


def _beside(rng: np.random.Generator, line: LineString, every_m: Span, offset_m: float, spread_m: float) -> Points:
    """Points along a line, (n, 2), moved `offset_m` to one side of it."""
    at = np.cumsum(rng.uniform(*every_m, int(line.length / every_m[0]) + 1))
    at = at[at < line.length - 0.5]
    points = shapely.get_coordinates(shapely.line_interpolate_point(line, at)).reshape(-1, 2)
    step = shapely.get_coordinates(shapely.line_interpolate_point(line, at + 0.5)).reshape(-1, 2) - points
    side = np.column_stack([-step[:, 1], step[:, 0]]) / np.hypot(*step.T)[:, None].clip(1e-9)
    return np.asarray(points + side * offset_m + rng.normal(0, spread_m, points.shape))


def _species(rng: np.random.Generator, broad: Array, height: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Conifers in stands, broad-leaved trees mixed elsewhere."""
    species = np.array(_BROADLEAVED, dtype=np.uint8)[rng.integers(len(_BROADLEAVED), size=len(broad))]
    species[(broad + rng.normal(0, 0.3, len(broad)) > 0.9) & (height > 8)] = _CONIFER
    return species


def _at(site: Site, raster: NDArray[Any], points: Points) -> NDArray[Any]:
    """Values of a raster at points; beyond its edge, those of the nearest pixel."""
    cols, rows = np.floor(points / site.resolution_m).astype(int).T
    return np.asarray(raster[rows.clip(0, site.height - 1), cols.clip(0, site.width - 1)])

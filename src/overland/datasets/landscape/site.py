"""The ground a made landscape stands on: its extent, its river and its lakes.

Everything is planned in local metres, x to the right and y down from the scene's upper left corner, on a domain that
reaches beyond the scene, so that roads, fields and woods run out of the picture instead of stopping at its border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon, box

__all__ = ["River", "Site", "plan_lakes", "plan_river"]

_MARGIN_M = 320.0
_LAKES_PER_KM2 = 1.5


@dataclass(frozen=True)
class Site:
    """The extent of a scene in metres and the size of its pixels."""

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
        """What the picture shows."""
        return box(0.0, 0.0, self.width_m, self.height_m)

    @property
    def domain(self) -> Polygon:
        """What is planned: the scene and a margin round it."""
        return box(-_MARGIN_M, -_MARGIN_M, self.width_m + _MARGIN_M, self.height_m + _MARGIN_M)

    def random_point(self, rng: np.random.Generator, within: float = 1.0) -> NDArray[np.float64]:
        """A point in the middle `within` (share of each side) of the scene."""
        size = np.array([self.width_m, self.height_m])
        return np.asarray(size * (0.5 + within * rng.uniform(-0.5, 0.5, 2)))


@dataclass(frozen=True)
class River:
    """A meandering river: its middle line and its surface."""

    axis: LineString
    surface: Polygon
    width_m: float


def plan_river(rng: np.random.Generator, site: Site) -> River | None:
    """Lay a river across the domain, past the middle of the scene; small scenes often have none."""
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
    axis = middle + t[:, None] * along + _meander(rng, t)[:, None] * across
    half = rng.uniform(4.5, 11.0) * (1 + 0.25 * np.sin(t / rng.uniform(40, 90) + rng.uniform(0, 6)))
    banks = np.concatenate([axis + half[:, None] * across, (axis - half[:, None] * across)[::-1]])
    return River(LineString(axis), Polygon(banks).buffer(0), float(2 * half.mean()))


def plan_lakes(rng: np.random.Generator, site: Site, occupied: Sequence[shapely.Geometry]) -> list[Polygon]:
    """Put lakes and ponds where none of the `occupied` geometries is near."""
    wanted = rng.poisson(site.width_m * site.height_m / 1e6 * _LAKES_PER_KM2 + 0.3)
    lakes: list[Polygon] = []
    for _ in range(12 * wanted):
        if len(lakes) == wanted:
            break
        centre = site.random_point(rng, 1.1)
        room = shapely.distance([*occupied, *lakes], shapely.Point(centre)).min() if occupied or lakes else 80.0
        radius = min(rng.uniform(14, 75), (room - 8) / 1.35)
        if radius > 11:
            lakes.append(_blob(rng, centre, radius))
    return lakes


def _meander(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    offset = np.zeros_like(t)
    for wavelength, amplitude in ((620.0, 60.0), (270.0, 22.0), (110.0, 6.0)):
        length = wavelength * rng.uniform(0.8, 1.25)
        offset += amplitude * rng.uniform(0.5, 1.2) * np.sin(2 * math.pi * t / length + rng.uniform(0, 2 * math.pi))
    return offset


def _blob(rng: np.random.Generator, centre: NDArray[np.float64], radius: float) -> Polygon:
    angle = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    reach = np.ones_like(angle)
    for wave in (2, 3, 4, 6):
        reach += 0.32 / wave * rng.normal() * np.sin(wave * angle + rng.uniform(0, 2 * math.pi))
    reach = radius * np.clip(reach, 0.45, 1.35)
    return Polygon(centre + reach[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])).buffer(0)

"""Buildings of a synthetic landscape: houses and farms along the roads, and cars on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon

from overland.synthetic.parcels import Village
from overland.synthetic.roads import PlannedRoad, Site

__all__ = ["House", "plan_cars", "plan_houses"]

_ROADSIDE = ("main", "secondary", "lane")


@dataclass(frozen=True)
class House:
    """A box with a ridged roof.

    Attributes:
        x: Centre in local metres, to the right.
        y: Centre in local metres, down.
        length_m: Length in metres.
        width_m: Width in metres.
        heading: Direction of the long side in radians.
        eave_m: Height of the eaves in metres.
        style: home, shed, barn or car (a low, small one without a ridge).
    """

    x: float
    y: float
    length_m: float
    width_m: float
    heading: float
    eave_m: float
    style: str

    @property
    def footprint(self) -> Polygon:
        """The outline on the ground, in local metres."""
        along = np.array([math.cos(self.heading), math.sin(self.heading)]) * self.length_m / 2
        across = np.array([-math.sin(self.heading), math.cos(self.heading)]) * self.width_m / 2
        centre = np.array([self.x, self.y])
        return Polygon(
            [centre + along + across, centre - along + across, centre - along - across, centre + along - across]
        )


def plan_houses(
    rng: np.random.Generator,
    site: Site,
    roads: Sequence[PlannedRoad],
    villages: Sequence[Village],
    blocked: Sequence[shapely.Geometry],
) -> tuple[list[House], list[LineString]]:
    """Set houses and farms next to the roads, clear of roads and of other ground that is taken.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        roads: The roads.
        villages: The villages.
        blocked: Geometries in local metres that nothing is built on.

    Returns:
        The buildings, and the drives that lead to them.
    """
    obstacles = shapely.STRtree([*(road.line.buffer(road.width_m / 2) for road in roads), *blocked])
    frame = site.scene.buffer(25)
    houses: list[House] = []
    drives: list[LineString] = []
    taken: list[Polygon] = []
    for group, drive in _candidates(rng, roads, villages, frame):
        outlines = [house.footprint for house in group]
        fits = [
            not obstacles.query(outline, predicate="dwithin", distance=1.5).size
            and not (taken and shapely.intersects(taken, outline).any())
            for outline in outlines
        ]
        if not fits[0]:
            continue
        kept = [pair for pair, fit in zip(zip(group, outlines, strict=True), fits, strict=True) if fit]
        houses.extend(house for house, _ in kept)
        taken.extend(outline.buffer(1.5) for _, outline in kept)
        drives.append(drive)
    return houses, drives


def plan_cars(rng: np.random.Generator, site: Site, roads: Sequence[PlannedRoad]) -> list[House]:
    """Put a few cars on the paved roads, each in its own lane.

    Args:
        rng: Random generator of the plan.
        site: Extent and pixel size of the scene.
        roads: The roads.

    Returns:
        The cars, as low, small houses without a ridge.
    """
    cars = []
    for road in roads:
        if road.kind not in _ROADSIDE:
            continue
        mean_gap = 130.0 if road.kind == "main" else 260.0
        for at in np.cumsum(rng.exponential(mean_gap, max(1, int(road.line.length / mean_gap)))):
            if at > road.line.length - 3:
                break
            point, heading = _pose(road.line, float(at))
            side = rng.choice([-1.0, 1.0]) * road.width_m * 0.22
            x, y = point[0] - math.sin(heading) * side, point[1] + math.cos(heading) * side
            cars.append(House(x, y, rng.uniform(3.9, 5.0), 1.9, heading, 1.3, "car"))
    return [car for car in cars if site.scene.contains(shapely.Point(car.x, car.y))]


def _candidates(
    rng: np.random.Generator, roads: Sequence[PlannedRoad], villages: Sequence[Village], frame: Polygon
) -> Iterator[tuple[list[House], LineString]]:
    """Groups of buildings beside the roads, the main one first, with the drive that leads to it."""
    for road in roads:
        if road.kind not in _ROADSIDE:
            continue
        at = rng.uniform(6, 18)
        while at < road.line.length - 6:
            point, heading = _pose(road.line, at)
            at += rng.uniform(15, 25)
            if not frame.contains(shapely.Point(point)):
                continue
            # The chance that a plot at a point is built on: high in a village, falling off at its rim.
            reach = [math.hypot(point[0] - v.centre.x, point[1] - v.centre.y) / v.radius_m for v in villages]
            nearest = min(reach, default=9.0)
            chance = 0.88 if nearest < 0.6 else 0.88 * math.exp(-(((nearest - 0.6) / 0.35) ** 2))
            for side in (-1.0, 1.0):
                draw = rng.random()
                if draw < chance:
                    yield _homestead(rng, point, heading, side, road.width_m)
                elif draw > 0.9935:
                    yield _farm(rng, point, heading, side, road.width_m)


def _homestead(
    rng: np.random.Generator, point: NDArray[np.float64], heading: float, side: float, road_width_m: float
) -> tuple[list[House], LineString]:
    length, width = rng.uniform(9, 15), rng.uniform(7.5, 10)
    turned = rng.random() < 0.4
    depth = length if turned else width
    setback = road_width_m / 2 + rng.uniform(3, 9)
    facing = heading + (math.pi / 2 if turned else 0.0) + rng.normal(0, 0.03)
    normal = np.array([-math.sin(heading), math.cos(heading)]) * side
    centre = point + normal * (setback + depth / 2)
    group = [House(centre[0], centre[1], length, width, facing, rng.uniform(3, 6), "home")]
    along = np.array([math.cos(heading), math.sin(heading)]) * rng.choice([-1, 1])
    if rng.random() < 0.3:
        wing = centre + along * width * 0.5 + normal * width * 0.7
        group.append(House(wing[0], wing[1], rng.uniform(6, 9), rng.uniform(5, 7), facing + math.pi / 2, 3.0, "home"))
    elif rng.random() < 0.6:
        shed = centre + along * rng.uniform(0, 8) + normal * (depth / 2 + rng.uniform(7, 16))
        group.append(House(shed[0], shed[1], rng.uniform(4, 7), rng.uniform(3, 4.5), facing, 2.4, "shed"))
    drive = LineString([point + along * (length / 2 + 1), centre + along * (length / 2 + 1)])
    return group, drive


def _farm(
    rng: np.random.Generator, point: NDArray[np.float64], heading: float, side: float, road_width_m: float
) -> tuple[list[House], LineString]:
    normal = np.array([-math.sin(heading), math.cos(heading)]) * side
    along = np.array([math.cos(heading), math.sin(heading)])
    yard = point + normal * (road_width_m / 2 + rng.uniform(26, 38))
    group = []
    for shift, turn in ((normal * 17, 0.0), (along * 21, math.pi / 2), (-along * 23 - normal * 4, math.pi / 2)):
        x, y = yard + shift * rng.uniform(0.95, 1.15)
        length, width = rng.uniform(17, 34), rng.uniform(10, 15)
        group.append(House(x, y, length, width, heading + turn + rng.normal(0, 0.03), rng.uniform(4, 6), "barn"))
    return group, LineString([point, yard + normal * 8])


def _pose(line: LineString, at: float) -> tuple[NDArray[np.float64], float]:
    here = np.asarray(line.interpolate(at).coords[0])
    ahead = np.asarray(line.interpolate(at + 1).coords[0])
    if np.allclose(here, ahead):
        here, ahead = np.asarray(line.interpolate(at - 1).coords[0]), here
    return here, math.atan2(ahead[1] - here[1], ahead[0] - here[0])

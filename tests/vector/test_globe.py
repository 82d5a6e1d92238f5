from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.affinity

from overland.geo.measures import areas_m2
from overland.vector.globe import to_longitude_latitude


def moved(geometry, crs):
    [result] = to_longitude_latitude(np.array([geometry], dtype=object), crs)
    assert shapely.is_valid(result)
    west, south, east, north = result.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    return result


def area(geometry):
    parts = shapely.get_parts(geometry)
    return areas_m2(parts, "EPSG:4326").sum()


@pytest.mark.parametrize("turns", [-2, 1, 3])
def test_longitudes_beyond_a_turn_are_counted_back(turns):
    box = shapely.box(13, 50, 13.001, 50.001)
    assert moved(shapely.affinity.translate(box, 360 * turns), "EPSG:4326").bounds == pytest.approx(box.bounds)


def test_a_polygon_over_the_antimeridian_has_a_part_on_each_side():
    result = moved(shapely.box(179.5, -17, 181, -16), "EPSG:4326")
    assert sorted(part.bounds for part in result.geoms) == [(-180, -17, -179, -16), (179.5, -17, 180, -16)]


def test_a_road_in_utm_over_the_antimeridian_is_cut_there():
    line = shapely.LineString([(270_000, 5_500_000), (300_000, 5_500_000)])
    result = moved(line, "EPSG:32601")
    assert [part.bounds[0] > 0 for part in result.geoms].count(True) == 1
    assert sum(part.length for part in result.geoms) < 0.5


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90), ("EPSG:6931", 90)])
def test_a_polygon_round_a_pole_reaches_it(crs, pole):
    square = shapely.box(-100_000, -80_000, 120_000, 90_000)
    result = moved(square, crs)
    assert pole in result.bounds
    assert area(result) == pytest.approx(areas_m2(np.array([square]), crs)[0], rel=0.005)


def test_a_hole_at_the_pole_stays_a_hole():
    ring = shapely.box(-100_000, -100_000, 100_000, 100_000).difference(shapely.box(-9_000, -9_000, 9_000, 9_000))
    result = moved(ring, "EPSG:3031")
    assert area(result) == pytest.approx(areas_m2(np.array([ring]), "EPSG:3031")[0], rel=0.01)


def test_a_corner_at_the_pole():
    square = shapely.box(0, 0, 50_000, 50_000)
    assert area(moved(square, "EPSG:3031")) == pytest.approx(areas_m2(np.array([square]), "EPSG:3031")[0], rel=0.01)


def test_rings_near_a_pole_end_where_they_began():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-2e6, 2e6, (2, 150))
    circles = np.asarray(shapely.buffer(shapely.points(x, y), rng.uniform(1e4, 9e5, 150)), dtype=object)
    moved = to_longitude_latitude(circles, "EPSG:3413")
    assert shapely.is_valid(moved).all()
    # Straight edges of degrees cut a little off where a ring passes close to the pole.
    assert np.median(areas_m2(moved, "EPSG:4326") / areas_m2(circles, "EPSG:3413")) == pytest.approx(1, abs=0.01)

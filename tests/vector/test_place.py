from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from overland.geo.grid import Grid
from overland.vector import geometries_on_grid


def degrees(west, east, crs="EPSG:4326", height=100):
    step = (east - west) / 100
    return Grid(height=height, width=100, transform=Affine(step, 0, west, 0, -step, 50), crs=crs)


def placed(geometry, grid, crs="EPSG:4326"):
    [moved] = geometries_on_grid(np.array([geometry], dtype=object), crs, grid)
    return moved


@pytest.mark.parametrize(("west", "east"), [(200, 201), (-160, -159), (560, 561)])
def test_a_raster_may_count_longitudes_from_anywhere(west, east):
    moved = placed(shapely.box(-159.9, 49, -159.1, 50), degrees(west, east))
    assert moved.bounds == pytest.approx((west + 0.1, 49, west + 0.9, 50))


@pytest.mark.parametrize(("west", "east"), [(179, 181), (-181, -179)])
def test_parts_on_both_sides_of_the_antimeridian_meet_on_the_raster(west, east):
    cut = shapely.MultiPolygon([shapely.box(179.5, 49, 180, 50), shapely.box(-180, 49, -179.5, 50)])
    moved = placed(cut, degrees(west, east))
    assert moved.bounds == pytest.approx((west + 0.5, 49, west + 1.5, 50))
    assert moved.area == pytest.approx(1)


def test_a_polygon_of_half_the_world_stays_as_it_is_written():
    box = shapely.box(-170, 49, 170, 50)
    assert placed(box, degrees(-180, 180)).equals(box)


def test_a_road_that_jumps_from_one_side_to_the_other_is_short():
    moved = placed(shapely.LineString([(179.9, 49.5), (-179.9, 49.5)]), degrees(179, 181))
    assert moved.length == pytest.approx(0.2)
    assert moved.bounds == pytest.approx((179.9, 49.5, 180.1, 49.5))


def test_what_is_on_a_raster_twice_is_there_twice():
    moved = placed(shapely.box(1, 49, 2, 50), degrees(0, 720))
    assert [part.bounds[0] for part in moved.geoms] == pytest.approx([1, 361])


def test_polygons_of_a_projection_that_cross_the_antimeridian_do_not_go_round_the_earth():
    utm = shapely.box(280_000, 5_500_000, 290_000, 5_510_000)
    for west in (179, -181):
        moved = placed(utm, degrees(west, west + 2), "EPSG:32601")
        assert moved.bounds[0] == pytest.approx(west + 0.93, abs=0.05)
        assert moved.bounds[2] == pytest.approx(west + 1.08, abs=0.05)


def test_long_edges_in_degrees_bend_on_a_projected_raster():
    grid = Grid(height=10, width=10, transform=Affine(1000, 0, 0, 0, -1000, 0), crs="EPSG:3413")
    ring = placed(shapely.box(-180, 80, 180, 90), grid)
    x, y = shapely.get_coordinates(ring).T
    assert np.hypot(x, y).max() == pytest.approx(1_086_000, rel=0.02)
    assert shapely.make_valid(ring).area == pytest.approx(np.pi * 1_086_000**2, rel=0.03)

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from overland.errors import DataError
from overland.geo.measures import areas_m2, buffered_m, lengths_m, reprojected


def test_points_move_to_another_crs():
    points = np.array([shapely.Point(15, 47)])
    moved = reprojected(points, "EPSG:4326", "EPSG:32633")[0]
    meridian = np.array([shapely.segmentize(shapely.LineString([(15, 0), (15, 47)]), 0.1)])
    assert (moved.x, moved.y) == pytest.approx((500_000, 0.9996 * lengths_m(meridian, "EPSG:4326")[0]), abs=0.01)
    back = reprojected(np.array([moved]), "EPSG:32633", "EPSG:4326")[0]
    assert (back.x, back.y) == pytest.approx((15, 47), abs=1e-8)


def test_the_same_crs_by_another_name_is_no_move():
    points = np.array([shapely.Point(15, 47)])
    assert reprojected(points, "OGC:CRS84", "OGC:CRS84") is points
    assert reprojected(points, None, None) is points


def test_one_crs_alone_is_refused():
    with pytest.raises(DataError, match="both or none"):
        reprojected(np.array([shapely.Point(1, 2)]), None, "EPSG:4326")


def test_what_has_no_place_in_the_target_is_refused():
    with pytest.raises(DataError, match="no place"):
        reprojected(np.array([shapely.Point(500_000, 5_200_000)]), "EPSG:4326", "EPSG:32633")


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32633", "EPSG:2263"])
def test_a_circle_has_its_area_in_every_crs(crs):
    place = (-74, 40.7) if crs == "EPSG:2263" else (15.2, 60)
    point = reprojected(np.array([shapely.Point(place)]), "EPSG:4326", crs)
    circle = buffered_m(point, np.array([50.0]), crs, (point[0].x, point[0].y))
    assert areas_m2(circle, crs)[0] == pytest.approx(math.pi * 2500, rel=8e-3)


def test_each_geometry_has_its_own_radius():
    lines = np.array([shapely.LineString([(0, 0), (0, 100)])] * 2)
    wide = buffered_m(lines, np.array([2.0, 5.0]), None, (0, 0))
    assert shapely.area(wide) == pytest.approx([400 + 4 * math.pi, 1000 + 25 * math.pi], rel=5e-3)

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Geod, Transformer

from overland.errors import DataError
from overland.geo import Grid
from overland.geo.crs import ground_of
from overland.geo.measures import areas_m2, lengths_m, map_to_pixels, pixels_to_map

LINES = np.array([shapely.LineString([(0, 0), (3, 4)]), shapely.LineString([(0, 0), (0, 2), (5, 2)])], dtype=object)
SQUARE = np.array([shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))], dtype=object)
UTM, US_FEET, DEGREES, WEB = "EPSG:32633", "EPSG:2263", "EPSG:4326", "EPSG:3857"


def moved(geometries, to, origin):
    x, y = Transformer.from_crs(DEGREES, to, always_xy=True).transform(*origin)
    return shapely.transform(geometries, lambda xy: xy + np.array([x, y]))


def test_pixels_without_a_crs_stay_pixels():
    grid = Grid(height=10, width=10)
    assert lengths_m(LINES, None).tolist() == [5, 7]
    assert areas_m2(SQUARE, None).tolist() == [96]
    assert grid.pixel_size == (1, 1)
    assert pixels_to_map(LINES, grid) is LINES


def test_units_of_a_projected_crs_become_metres():
    in_zone = shapely.transform(LINES, lambda xy: xy + np.array([500_000, 4_600_000]))
    assert lengths_m(in_zone, UTM).tolist() == [5, 7]
    assert lengths_m(LINES, US_FEET)[0] == pytest.approx(5 * 1200 / 3937)
    assert areas_m2(SQUARE, US_FEET)[0] == pytest.approx(96 * (1200 / 3937) ** 2)


def test_degrees_are_measured_on_the_ellipsoid():
    geod = Geod(ellps="WGS84")
    lines = shapely.transform(LINES, lambda xy: xy / 1000 + [24.9, 60.2])
    assert lengths_m(lines, DEGREES) == pytest.approx([geod.geometry_length(line) for line in lines])
    square = shapely.transform(SQUARE, lambda xy: xy / 1e5 + [24.9, 60.2])
    expected = 96 * (1e-5 * 111_320) ** 2 * np.cos(np.radians(60.2))
    assert areas_m2(square, DEGREES)[0] == pytest.approx(expected, rel=0.01)


def test_web_mercator_is_not_believed():
    stretch = 1 / np.cos(np.radians(60.2))
    assert lengths_m(moved(LINES, WEB, (24.9, 60.2)), WEB)[0] == pytest.approx(5 / stretch, rel=0.01)
    assert areas_m2(moved(SQUARE, WEB, (24.9, 60.2)), WEB)[0] == pytest.approx(96 / stretch**2, rel=0.01)


def test_pixel_size_of_oblong_and_turned_pixels():
    assert Grid(height=10, width=10, transform=Affine(0.5, 0, 100, 0, -2, 100), crs=UTM).pixel_size == pytest.approx(
        (0.5, 2), rel=4e-3
    )
    turned = Affine(0.4, 0.3, 5e5, 0.3, -0.4, 6e6)
    assert Grid(height=10, width=10, transform=turned, crs=UTM).pixel_size == pytest.approx((0.5, 0.5))
    width, height = Grid(height=100, width=100, transform=Affine(1e-5, 0, 24.9, 0, -1e-5, 60.2), crs=DEGREES).pixel_size
    assert width == pytest.approx(height * np.cos(np.radians(60.2)), rel=0.01)


def test_pixel_corners_land_on_map_corners():
    grid = Grid(height=10, width=20, transform=Affine(2, 0, 1000, 0, -2, 5000), crs=UTM)
    [corner] = pixels_to_map(np.array([shapely.Point(20, 10)], dtype=object), grid)
    assert (corner.x, corner.y) == (1040, 4980)


def test_no_geometries_have_no_measures():
    none = np.array([], dtype=object)
    assert lengths_m(none, DEGREES).shape == areas_m2(none, DEGREES).shape == lengths_m(none, UTM).shape == (0,)


@pytest.mark.parametrize("transform", [Affine(0.5, 0, 500000, 0, -0.5, 4600000), Affine(2, 1, 500000, 1, -3, 4600000)])
def test_there_and_back_again(transform):
    grid = Grid(height=10, width=10, transform=transform, crs=UTM)
    assert shapely.equals_exact(map_to_pixels(pixels_to_map(LINES, grid), grid), LINES, 1e-6).all()


def test_metres_in_a_unit_where_the_plane_is_true():
    near = (500_000, 4_600_000, 500_100, 4_600_100)
    assert [ground_of(crs).true_unit_m(near, 1) for crs in (UTM, WEB)] == [1, None]
    assert ground_of(DEGREES).true_unit_m((15, 47, 15.1, 47.1), 1) is None
    assert ground_of(US_FEET).true_unit_m((980_000, 200_000, 980_100, 200_100), 1) == pytest.approx(0.3048, abs=1e-6)


def test_beyond_its_zone_a_projection_is_not_believed():
    # 1,500 km from the central meridian UTM's metres are 3 % too long.
    line = np.array([shapely.LineString([(2_000_000, 5_000_000), (2_000_100, 5_000_000)])])
    ends = Transformer.from_crs(UTM, DEGREES, always_xy=True).transform([2_000_000, 2_000_100], [5_000_000] * 2)
    _, _, expected = Geod(ellps="WGS84").inv(ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    assert lengths_m(line, UTM)[0] == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(97, abs=0.5)


def test_a_ring_round_a_pole_and_one_over_the_antimeridian_have_their_areas():
    ring = shapely.Point(0, 0).buffer(1_000_000, quad_segs=90).difference(shapely.Point(0, 0).buffer(100_000))
    lat = 90 - np.degrees(1_000_000 / 6_378_137)
    # A cap of a sphere, 2 pi R^2 (1 - sin(lat)); the projection's scale is .97 and the Earth no sphere: 8 %.
    cap = 2 * np.pi * 6_371_000**2 * (1 - np.sin(np.radians(lat)))
    assert areas_m2(np.array([ring]), "EPSG:3031")[0] == pytest.approx(cap, rel=0.08)
    box = shapely.box(179.9, -17, 180.1, -16.9)
    east = shapely.box(9.9, -17, 10.1, -16.9)
    assert areas_m2(np.array([box, east]), DEGREES) == pytest.approx([areas_m2(np.array([east]), DEGREES)[0]] * 2)


def test_multipolygons_and_holes_count_once():
    parts = shapely.MultiPolygon([SQUARE[0], shapely.box(20, 0, 30, 10)])
    moved_parts = shapely.transform(parts, lambda xy: xy / 1e5 + [24.9, 60.2])
    shell = shapely.transform(shapely.box(0, 0, 10, 10), lambda xy: xy / 1e5 + [24.9, 60.2])
    one = areas_m2(np.array([shell]), DEGREES)
    assert areas_m2(np.array([moved_parts]), DEGREES)[0] == pytest.approx(1.96 * one[0], rel=1e-4)


def test_coordinates_off_the_earth_are_refused():
    with pytest.raises(DataError, match="no place on the ground"):
        lengths_m(np.array([shapely.LineString([(10, 95), (10, 96)])]), DEGREES)
    with pytest.raises(DataError, match="no place on the ground"):
        areas_m2(np.array([shapely.box(10, 95, 11, 96)]), DEGREES)


def test_a_transform_without_an_area_is_refused():
    with pytest.raises(DataError, match="without an area"):
        map_to_pixels(LINES, Grid(height=2, width=2, transform=Affine(1, 0, 5, 1, 0, 5)))

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Geod, Transformer

from overland.geo.measures import map_to_pixels, metres_per_unit
from overland.raster import Grid
from overland.vector import areas_m2, lengths_m, pixel_size_m, pixels_to_map

LINES = np.array([shapely.LineString([(0, 0), (3, 4)]), shapely.LineString([(0, 0), (0, 2), (5, 2)])], dtype=object)
SQUARE = np.array([shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))], dtype=object)
UTM, US_FEET, DEGREES, WEB = "EPSG:32633", "EPSG:2263", "EPSG:4326", "EPSG:3857"


def moved(geometries, to, origin):
    x, y = Transformer.from_crs(DEGREES, to, always_xy=True).transform(*origin)
    return shapely.transform(geometries, lambda xy: xy + np.array([x, y]))


def test_pixels_without_a_crs_stay_pixels():
    grid = Grid(10, 10)
    assert lengths_m(LINES, None).tolist() == [5, 7]
    assert areas_m2(SQUARE, None).tolist() == [96]
    assert pixel_size_m(grid) == (1, 1)
    assert pixels_to_map(LINES, grid) is LINES


def test_units_of_a_projected_crs_become_metres():
    assert lengths_m(LINES, UTM).tolist() == [5, 7]
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
    assert pixel_size_m(Grid(10, 10, Affine(0.5, 0, 100, 0, -2, 100), UTM)) == pytest.approx((0.5, 2))
    turned = Affine(0.4, 0.3, 5e5, 0.3, -0.4, 6e6)
    assert pixel_size_m(Grid(10, 10, turned, UTM)) == pytest.approx((0.5, 0.5))
    width, height = pixel_size_m(Grid(100, 100, Affine(1e-5, 0, 24.9, 0, -1e-5, 60.2), DEGREES))
    assert width == pytest.approx(height * np.cos(np.radians(60.2)), rel=0.01)


def test_pixel_corners_land_on_map_corners():
    grid = Grid(10, 20, Affine(2, 0, 1000, 0, -2, 5000), UTM)
    [corner] = pixels_to_map(np.array([shapely.Point(20, 10)], dtype=object), grid)
    assert (corner.x, corner.y) == (1040, 4980)


def test_no_geometries_have_no_measures():
    none = np.array([], dtype=object)
    assert lengths_m(none, DEGREES).shape == areas_m2(none, DEGREES).shape == lengths_m(none, UTM).shape == (0,)


@pytest.mark.parametrize("transform", [Affine(0.5, 0, 500000, 0, -0.5, 4600000), Affine(2, 1, 500000, 1, -3, 4600000)])
def test_there_and_back_again(transform):
    grid = Grid(10, 10, transform, UTM)
    assert shapely.equals_exact(map_to_pixels(pixels_to_map(LINES, grid), grid), LINES, 1e-6).all()


def test_metres_in_a_unit():
    assert [metres_per_unit(crs) for crs in (None, UTM, DEGREES, WEB)] == [1, 1, None, None]
    assert metres_per_unit(US_FEET) == pytest.approx(0.3048, abs=1e-6)

from __future__ import annotations

import numpy as np
import pytest
import shapely
from scipy.ndimage import gaussian_filter
from shapely.affinity import rotate

from overland.raster import Window
from overland.raster.features import burn_shapes, shapes_from_mask
from overland.vector import regularized

ANGLES = [0, 7, 22.5, 31, 45, 58, 84]
L_SHAPE = shapely.Polygon([(30, 30), (90, 30), (90, 55), (60, 55), (60, 90), (30, 90)])
COURTYARD = shapely.box(30, 35, 90, 85) - shapely.box(48, 48, 74, 70)


def traced(polygon):
    """The jagged outline of what a polygon is in a raster."""
    mask = burn_shapes(np.array([polygon]), np.array([1]), Window(col_off=0, row_off=0, width=120, height=120))
    polygons, ids = shapes_from_mask(mask)
    return polygons[ids == 1][0]


def angles(polygon):
    found = []
    for ring in (polygon.exterior, *polygon.interiors):
        steps = np.diff(shapely.get_coordinates(ring), axis=0) @ [1, 1j]
        found.append(np.degrees(np.abs(np.angle(np.roll(steps, -1) / steps))))
    return np.concatenate(found)


def farthest_corner(polygon, truth):
    return shapely.MultiPoint(polygon.exterior.coords).hausdorff_distance(shapely.MultiPoint(truth.exterior.coords))


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("shape", "corners"), [(shapely.box(35, 45, 85, 75), 4), (L_SHAPE, 6), (COURTYARD, 8)])
def test_jagged_outlines_become_right_angled(shape, corners, angle):
    truth = rotate(shape, angle, origin=(60.3, 59.8))
    result = regularized(traced(truth))
    assert result.is_valid
    assert len(angles(result)) == corners
    assert angles(result) == pytest.approx(90, abs=0.5)
    assert farthest_corner(result, truth) < 1
    assert result.area == pytest.approx(truth.area, rel=0.03)
    assert len(result.interiors) == len(shape.interiors)


def test_what_is_square_stays():
    assert regularized(L_SHAPE).symmetric_difference(L_SHAPE).area < 1e-9


def test_outlines_may_turn_either_way_and_start_anywhere():
    truth = rotate(L_SHAPE, 20)
    jagged = traced(truth)
    corners = np.roll(shapely.get_coordinates(jagged)[:-1], 37, axis=0)
    assert regularized(shapely.Polygon(corners[::-1])).symmetric_difference(regularized(jagged)).area < 1


def test_a_step_within_the_noise_is_levelled_and_one_above_it_is_kept():
    low = shapely.Polygon([(0, 0), (40, 0), (40, 20), (20, 20), (20, 22), (0, 22)])
    high = shapely.Polygon([(0, 0), (40, 0), (40, 20), (20, 20), (20, 25), (0, 25)])
    assert len(angles(regularized(low))) == 4
    assert regularized(low).hausdorff_distance(shapely.box(0, 0, 40, 21)) < 0.75
    assert regularized(high).symmetric_difference(high).area < 1e-9


@pytest.mark.parametrize(
    "polygon",
    [
        traced(shapely.Point(60, 60).buffer(22)),
        shapely.Polygon([(0, 0), (40, 0), (20, 35)]),
        shapely.Polygon([(0, 0), (1, 0), (1, 1)]),
    ],
)
def test_what_has_no_right_angles_is_kept(polygon):
    assert regularized(polygon) is polygon


def test_a_hole_that_cannot_be_squared_keeps_the_polygon():
    polygon = shapely.box(0, 0, 60, 60) - shapely.Polygon([(20, 20), (26, 20), (20, 26)])
    assert regularized(polygon) is polygon


def test_a_wedge_that_squaring_would_change_too_much_is_kept(monkeypatch):
    wedge = shapely.Polygon([(0, 0), (100, 0), (100, 40), (0, 1)])
    assert regularized(wedge) is wedge
    monkeypatch.setattr("overland.vector.polygons._MIN_IOU", 0)
    assert regularized(wedge) is not wedge


def test_any_region_comes_back_valid_and_alike():
    field = gaussian_filter(np.random.default_rng(0).normal(size=(300, 300)), 6)
    polygons, _ = shapes_from_mask((field > 0).astype(np.uint8))
    for polygon in polygons:
        result = regularized(polygon)
        assert result.is_valid
        assert result.area == pytest.approx(polygon.area, rel=0.15)
        assert result is polygon or angles(result) == pytest.approx(90, abs=0.5)

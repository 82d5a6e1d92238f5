from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy.ndimage import gaussian_filter

from overland.raster import read_image
from overland.raster.features import shapes_from_mask
from overland.vector import polygons_from_mask


def noisy_mask(size=200, classes=7):
    rng = np.random.default_rng(0)
    fields = np.stack([gaussian_filter(rng.normal(size=(size, size)), 10) for _ in range(classes)])
    mask = fields.argmax(0).astype(np.uint8)
    wrong = rng.random(mask.shape) < 0.02
    mask[wrong] = rng.integers(0, classes, wrong.sum())
    return mask


def overlap(polygons):
    tree = shapely.STRtree(polygons)
    one, other = tree.query(polygons, predicate="intersects")
    pairs = one < other
    return shapely.area(shapely.intersection(polygons[one[pairs]], polygons[other[pairs]])).sum()


def test_polygons_share_their_borders_without_overlap_or_gap():
    mask = noisy_mask()
    polygons, ids = polygons_from_mask(mask, min_pixels=32, tolerance=3)
    assert set(ids.tolist()) == set(range(7))
    assert shapely.is_valid(polygons).all()
    assert overlap(polygons) == 0
    assert shapely.union_all(polygons).symmetric_difference(shapely.box(0, 0, 200, 200)).area == 0
    assert shapely.coverage_is_valid(polygons)


def test_a_fifth_of_the_vertices_is_enough():
    mask = noisy_mask()
    raw, _ = shapes_from_mask(mask)
    polygons, _ = polygons_from_mask(mask, min_pixels=32, tolerance=3)
    assert shapely.get_num_coordinates(polygons).sum() <= shapely.get_num_coordinates(raw).sum() / 5


def test_areas_of_classes_are_kept():
    mask = noisy_mask()
    polygons, ids = polygons_from_mask(mask, min_pixels=32, tolerance=3)
    for index in range(7):
        assert shapely.area(polygons[ids == index]).sum() == pytest.approx((mask == index).sum(), rel=0.05)


def test_a_hole_stays_a_hole():
    mask = np.zeros((60, 60), dtype=np.uint8)
    mask[10:50, 10:50] = 1
    mask[25:35, 25:35] = 2
    polygons, ids = polygons_from_mask(mask, min_pixels=4, tolerance=3)
    areas = {int(index): polygon.area for index, polygon in zip(ids, polygons, strict=True)}
    assert areas == pytest.approx({0: 2000, 1: 1500, 2: 100}, rel=0.02)
    assert len(polygons[ids.tolist().index(1)].interiors) == 1


def test_pixels_without_data_stay_empty():
    mask = noisy_mask(100)
    valid = np.ones_like(mask, dtype=bool)
    valid[:, :30] = False
    polygons, _ = polygons_from_mask(mask, valid=valid, min_pixels=16, tolerance=3)
    assert shapely.union_all(polygons).symmetric_difference(shapely.box(30, 0, 100, 100)).area == 0


def test_no_tolerance_keeps_the_pixel_edges():
    mask = noisy_mask(50)
    polygons, _ = polygons_from_mask(mask, min_pixels=1, tolerance=0)
    raw, _ = shapes_from_mask(mask)
    assert shapely.equals_exact(polygons, raw, 0).all()


def test_a_mask_without_data_has_no_polygons():
    mask = np.zeros((10, 10), dtype=np.uint8)
    polygons, ids = polygons_from_mask(mask, valid=mask > 0, min_pixels=1, tolerance=1)
    assert len(polygons) == len(ids) == 0


@pytest.mark.real
def test_real_land_cover_becomes_a_coverage():
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    path = Path(os.environ["OVERLAND_DATA"]) / "deepglobe-landcover" / "train" / "10233_mask.png"
    colors, _ = read_image(path)
    mask = ((colors[:3] > 127) * np.array([4, 2, 1])[:, None, None]).sum(0).astype(np.uint8)
    polygons, ids = polygons_from_mask(mask, min_pixels=64, tolerance=3)
    assert set(ids.tolist()) <= set(np.unique(mask).tolist())
    assert shapely.area(polygons).sum() == mask.size
    assert overlap(polygons) == 0


def huts(diameter, count=40):
    """Round huts at random places off the pixel grid, class 1 on 0."""
    rng = np.random.default_rng(0)
    side = diameter + 10
    mask = np.zeros((side, side * count), np.uint8)
    rows, cols = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    for index in range(count):
        row, col = side / 2 + rng.uniform(-0.5, 0.5), (index + 0.5) * side + rng.uniform(-0.5, 0.5)
        mask[np.hypot(rows - row, cols - col) < diameter / 2] = 1
    return mask


@pytest.mark.parametrize("diameter", [6, 8, 12, 16, 24, 60])
def test_small_outlines_keep_their_area(diameter):
    mask = huts(diameter)
    polygons, ids = polygons_from_mask(mask, min_pixels=1, tolerance=3)
    assert shapely.area(polygons[ids == 1]).sum() == pytest.approx((mask == 1).sum(), rel=0.05)
    assert shapely.area(polygons).sum() == pytest.approx(mask.size)
    assert shapely.coverage_is_valid(polygons)


def test_small_outlines_do_not_make_the_others_finer():
    mask = np.zeros((300, 300), np.uint8)
    rows, cols = np.mgrid[:300, :300]
    mask[rows + 0.4 * cols > 220] = 2
    valid = rows - 0.3 * cols < 250
    alone, _ = polygons_from_mask(mask, valid=valid, min_pixels=1, tolerance=3)
    mask[20:28, 20:28] = 1
    polygons, ids = polygons_from_mask(mask, valid=valid, min_pixels=1, tolerance=3)
    assert shapely.get_num_coordinates(polygons[ids == 2]).sum() == shapely.get_num_coordinates(alone[-1])
    assert shapely.coverage_is_valid(polygons)

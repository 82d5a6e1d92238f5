from __future__ import annotations

import numpy as np
import shapely

from overland.geo.grid import Window
from overland.raster.features import burn_shapes, shapes_from_mask

WHOLE = Window(col_off=0, row_off=0, width=40, height=30)


def burn(geometries, ids, window=WHOLE, **options):
    return burn_shapes(np.array(geometries, dtype=object), np.array(ids), window, **options)


def test_a_pixel_belongs_to_what_its_centre_is_in():
    mask = burn([shapely.box(2.4, 3.6, 5.6, 7.4)], [9])
    assert (mask[4:7, 2:6] == 9).all()
    assert mask.astype(bool).sum() == 12


def test_all_that_is_touched():
    assert burn([shapely.box(2.4, 3.6, 5.6, 7.4)], [1], all_touched=True).sum() == 5 * 4


def test_the_last_wins():
    mask = burn([shapely.box(0, 0, 10, 10), shapely.box(5, 5, 15, 15)], [1, 2])
    assert (mask[5:10, 5:10] == 2).all()
    assert (mask == 1).sum() == 75


def test_a_window_shows_its_part_of_the_whole():
    circle = shapely.Point(20, 14).buffer(11.3)
    window = Window(col_off=13, row_off=7, width=19, height=15)
    assert np.array_equal(burn([circle], [3], window), burn([circle], [3])[window.slices])


def test_more_than_255_ids():
    assert (burn([shapely.box(2, 3, 5, 7)], [70_000], dtype="int32")[3:7, 2:5] == 70_000).all()


def test_nothing_gives_background():
    assert not burn([], []).any()


def test_traced_polygons_burn_back_to_their_mask():
    mask = np.random.default_rng(0).integers(0, 4, (30, 40), dtype=np.uint8)
    polygons, ids = shapes_from_mask(mask)
    assert np.array_equal(burn(polygons, ids), mask)

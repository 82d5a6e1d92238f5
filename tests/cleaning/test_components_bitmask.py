from __future__ import annotations

import numpy as np

from overland.cleaning.components import BitMask, bitmask_from_array


def random_mask(height=37, width=53):
    return np.random.default_rng(0).random((height, width)) < 0.5


def test_rows_read_back():
    mask = random_mask()
    assert np.array_equal(bitmask_from_array(mask).rows(0, 37), mask)
    assert np.array_equal(bitmask_from_array(mask).rows(10, 20), mask[10:20])


def test_beyond_the_scene_its_edge_rows_repeat():
    mask = random_mask()
    assert np.array_equal(bitmask_from_array(mask).rows(-4, 40), np.pad(mask, ((4, 3), (0, 0)), mode="edge"))


def test_rows_are_replaced():
    bits = BitMask(37, 53)
    bits.set_rows(5, random_mask(10))
    assert np.array_equal(bits.rows(5, 15), random_mask(10))
    assert not bits.rows(0, 5).any()


def test_single_pixels_and_none_outside():
    mask = random_mask()
    rows, cols = np.indices((41, 57)) - 2
    found = bitmask_from_array(mask).at(rows.ravel(), cols.ravel()).reshape(41, 57)
    assert np.array_equal(found, np.pad(mask, 2))

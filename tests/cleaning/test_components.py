from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from overland.cleaning.components import bitmask_from_array, drop_objects, fill_holes
from overland.geo.grid import iter_row_windows

CORNERS = np.ones((3, 3))


def random_mask(fraction):
    return np.random.default_rng(0).random((60, 70)) < fraction


def sizes_at_pixels(mask, structure=None):
    labels, _ = ndimage.label(mask, structure)
    return np.where(mask, np.bincount(labels.ravel())[labels], 0)


@pytest.mark.parametrize("block_rows", [60, 15, 4, 1])
@pytest.mark.parametrize("fraction", [0.2, 0.35, 0.5])
def test_small_objects_go_whatever_the_row_blocks(fraction, block_rows):
    mask = random_mask(fraction)
    bits = bitmask_from_array(mask)
    drop_objects(bits, list(iter_row_windows(60, 70, block_rows)), 12)
    assert np.array_equal(bits.rows(0, 60), sizes_at_pixels(mask, CORNERS) >= 12)


@pytest.mark.parametrize("block_rows", [60, 15, 4, 1])
def test_small_holes_are_filled_whatever_the_row_blocks(block_rows):
    mask = random_mask(0.5)
    bits = bitmask_from_array(mask)
    fill_holes(bits, list(iter_row_windows(60, 70, block_rows)), 12)
    assert np.array_equal(bits.rows(0, 60), mask | (sizes_at_pixels(~mask) < 12))


@pytest.mark.parametrize("block_rows", [60, 7])
def test_objects_without_a_seed_go(block_rows):
    mask = np.zeros((60, 70), dtype=bool)
    mask[5:50, 10], mask[5:50, 30] = True, True
    seeds = np.zeros_like(mask)
    seeds[45, 30] = True
    bits = bitmask_from_array(mask)
    drop_objects(bits, list(iter_row_windows(60, 70, block_rows)), 1, bitmask_from_array(seeds))
    assert np.unique(np.nonzero(bits.rows(0, 60))[1]).tolist() == [30]


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_one_value_stays(value):
    bits = bitmask_from_array(np.full((20, 30), value))
    blocks = list(iter_row_windows(20, 30, 6))
    drop_objects(bits, blocks, 64)
    fill_holes(bits, blocks, 64)
    assert (bits.rows(0, 20) == value).all()

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.morphology import thin

from overland.cleaning.components import bitmask_from_array
from overland.geo.grid import iter_row_windows
from overland.vector.roads.skeleton import thin_row_blocks, thin_window


def random_mask(sigma):
    noise = np.random.default_rng(1).normal(size=(80, 90))
    return gaussian_filter(noise, sigma) > 0


@pytest.mark.parametrize("sigma", [0.3, 1, 3, 10])
def test_thinning_is_that_of_scikit_image(sigma):
    mask = random_mask(sigma)
    thinned, _ = thin_window(mask, 100)
    assert np.array_equal(thinned, thin(mask))


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_some_iterations_are_those_of_scikit_image(iterations):
    mask = random_mask(6)
    thinned, late_rows = thin_window(mask, iterations)
    before, _ = thin_window(mask, iterations - 1)
    assert np.array_equal(thinned, thin(mask, max_num_iter=iterations))
    assert np.array_equal(late_rows, (before != thinned).any(axis=1))


@pytest.mark.parametrize(("block_rows", "iterations"), [(80, 32), (20, 32), (20, 3), (7, 1)])
@pytest.mark.parametrize("sigma", [1, 3, 10])
def test_row_blocks_change_nothing(sigma, block_rows, iterations):
    mask = random_mask(sigma)
    thinned = thin_row_blocks(bitmask_from_array(mask), list(iter_row_windows(80, 90, block_rows)), iterations)
    assert np.array_equal(thinned.rows(0, 80), thin(mask))

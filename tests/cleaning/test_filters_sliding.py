from __future__ import annotations

import numpy as np
import pytest

from overland.cleaning.filters import over_disk, over_run, over_square

VALUES = np.random.default_rng(0).integers(0, 200, (23, 29)).astype(np.uint32)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13, 23])
@pytest.mark.parametrize("axis", [0, 1])
def test_runs_add_each_value_once(size, axis):
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, size, axis=axis)
    np.testing.assert_array_equal(over_run(np.add, VALUES, size, axis), windows.sum(axis=-1))


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_squares(size):
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, (size, size))
    np.testing.assert_array_equal(over_square(np.maximum, VALUES, size), windows.max(axis=(2, 3)))


@pytest.mark.parametrize("size", [1, 3, 5, 7, 11, 15])
def test_disks(size):
    offset = np.arange(size) - size // 2
    disk = offset[:, None] ** 2 + offset**2 <= size**2 / 4
    windows = np.lib.stride_tricks.sliding_window_view(VALUES, (size, size))
    np.testing.assert_array_equal(over_disk(np.add, VALUES, size), windows[:, :, disk].sum(axis=-1))


def test_the_disk_of_three_is_a_square_and_that_of_five_has_no_corners():
    assert over_disk(np.add, np.ones((3, 3), int), 3).item() == 9
    assert over_disk(np.add, np.ones((5, 5), int), 5).item() == 21

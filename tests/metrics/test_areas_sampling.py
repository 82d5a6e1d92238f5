from __future__ import annotations

import numpy as np
import pytest

from overland.errors import UsageError
from overland.metrics.areas import StrataBlock, allocate_points, draw_stratified


def blocks(strata, side, areas=None):
    areas = np.ones(len(strata)) if areas is None else areas
    for row in range(0, strata.shape[0], side):
        for col in range(0, strata.shape[1], side):
            yield StrataBlock(strata[row : row + side, col : col + side], areas[row : row + side], row, col)


def test_points_by_area_add_up():
    assert allocate_points(100, [0.5, 0.3, 0.2, 0], "proportional").tolist() == [50, 30, 20, 0]
    assert allocate_points(10, [1 / 3, 1 / 3, 1 / 3], "proportional").sum() == 10


def test_the_smallest_class_gets_two():
    assert allocate_points(100, [0.999, 0.001], "proportional").tolist() == [98, 2]


def test_equal_points():
    assert allocate_points(100, [0.9, 0.05, 0.05], "equal").tolist() == [34, 33, 33]


def test_small_classes_get_their_minimum_and_the_others_the_rest():
    # The example of Olofsson et al. 2014, 75 points for each rare class (they round to 165 and 325).
    found = allocate_points(640, [0.02, 0.015, 0.32, 0.645], "olofsson", min_points=75)
    assert found.tolist() == [75, 75, 162, 328]


def test_with_few_points_the_minimum_shrinks():
    assert allocate_points(30, [0.9, 0.05, 0.05], "olofsson").tolist() == [10, 10, 10]


@pytest.mark.parametrize(("points", "how"), [(3, "equal"), (30, "optimal")])
def test_what_cannot_be_allocated_is_refused(points, how):
    with pytest.raises(UsageError):
        allocate_points(points, [0.5, 0.5], how)


def test_every_stratum_gives_its_number_and_no_pixel_twice():
    strata = np.random.default_rng(1).choice(np.array([0, 1, 2, 255], np.uint8), (60, 70), p=[0.7, 0.2, 0.05, 0.05])
    drawn = draw_stratified(blocks(strata, 16), [20, 15, 10], seed=3)
    assert np.bincount(drawn.strata).tolist() == [20, 15, 10]
    assert np.array_equal(strata[drawn.rows, drawn.cols], drawn.strata)
    assert len(set(zip(drawn.rows.tolist(), drawn.cols.tolist(), strict=True))) == 45


def test_the_seed_decides():
    strata = np.zeros((40, 40), np.uint8)
    first, again, other = (draw_stratified(blocks(strata, 16), [30], seed) for seed in (1, 1, 2))
    assert np.array_equal(first.rows, again.rows)
    assert not np.array_equal(first.rows, other.rows)


def test_a_stratum_gives_no_more_than_it_has():
    strata = np.zeros((8, 8), np.uint8)
    strata[0, :3] = 1
    drawn = draw_stratified(blocks(strata, 4), [5, 50], seed=0)
    assert np.bincount(drawn.strata).tolist() == [5, 3]


def test_every_pixel_has_the_same_chance():
    strata = np.zeros((8, 8), np.uint8)
    hits = np.zeros((8, 8))
    for seed in range(600):
        drawn = draw_stratified(blocks(strata, 4), [8], seed)
        hits[drawn.rows, drawn.cols] += 1
    # 600 draws of one in eight: 75 with a standard deviation of 8.1.
    assert hits.mean() == 75
    assert abs(hits - 75).max() < 4.5 * 8.1


def test_larger_pixels_have_a_larger_chance():
    strata = np.zeros((2, 400), np.uint8)
    counts = np.zeros(2)
    for seed in range(200):
        counts += np.bincount(draw_stratified(blocks(strata, 100, np.array([1.0, 3.0])), [10], seed).rows, minlength=2)
    assert counts[1] / counts.sum() == pytest.approx(0.75, abs=0.04)

import math

import numpy as np
import pytest

from overland.legend import legend_from_names
from overland.metrics import bootstrap_interval, headline_score

ROADS = legend_from_names(["background", "road"])


def test_images_that_are_all_alike_leave_no_doubt():
    confusions = np.tile(np.array([[80, 5], [5, 10]]), (20, 1, 1))

    assert bootstrap_interval(confusions, lambda c: headline_score(c, ROADS)) == pytest.approx((0.5, 0.5))


def test_the_interval_is_as_wide_as_the_theory_of_a_mean_says():
    rng = np.random.default_rng(0)
    hits = rng.integers(20, 80, 400)
    confusions = np.zeros((400, 2, 2), np.int64)
    confusions[:, 1, 1], confusions[:, 1, 0] = hits, 100 - hits

    low, high = bootstrap_interval(confusions, lambda c: c[1, 1] / c[1].sum(), rounds=4000)

    half_width = 1.96 * hits.std() / 100 / 20
    assert (low + high) / 2 == pytest.approx(hits.mean() / 100, abs=0.002)
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.06)


def test_the_same_seed_gives_the_same_interval():
    confusions = np.random.default_rng(0).integers(0, 50, (10, 2, 2))
    draws = [bootstrap_interval(confusions, lambda c: headline_score(c, ROADS), seed=seed) for seed in (1, 1, 2)]

    assert draws[0] == draws[1] != draws[2]


def test_one_image_says_nothing_of_others():
    interval = bootstrap_interval(np.ones((1, 2, 2), np.int64), lambda c: headline_score(c, ROADS))

    assert all(math.isnan(end) for end in interval)


def test_draws_without_a_score_are_left_out():
    confusions = np.zeros((3, 2, 2), np.int64)
    confusions[0, 1, 1] = 10

    assert bootstrap_interval(confusions, lambda c: headline_score(c, ROADS)) == (1.0, 1.0)

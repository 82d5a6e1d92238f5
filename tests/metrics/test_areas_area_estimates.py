from __future__ import annotations

import itertools

import numpy as np
import pytest

from overland.errors import DataError, UsageError
from overland.metrics.areas import area_estimates, counts_by_stratum, required_sample_size, z_value

# The example of Olofsson et al. 2014: deforestation, forest gain, stable forest, stable non-forest.
MATRIX = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
WEIGHTS = [0.02, 0.015, 0.32, 0.645]
TOTAL_HA = 1e7 * 0.09


@pytest.fixture
def olofsson():
    return area_estimates(counts_by_stratum(MATRIX), WEIGHTS)


def test_areas_of_the_published_example(olofsson):
    assert TOTAL_HA * olofsson.area.value[0] == pytest.approx(21_158, abs=0.5)
    assert TOTAL_HA * olofsson.area.margin()[0] == pytest.approx(6_158, abs=0.5)


def test_overall_accuracy_of_the_published_example(olofsson):
    assert (round(olofsson.overall.value[0], 3), round(olofsson.overall.margin()[0], 3)) == (0.947, 0.018)


def test_users_accuracy_is_that_of_a_simple_sample(olofsson):
    matrix = np.array(MATRIX)
    points = matrix.sum(axis=1)
    users = np.diag(matrix) / points
    assert olofsson.users.value == pytest.approx(users)
    assert olofsson.users.se == pytest.approx(np.sqrt(users * (1 - users) / (points - 1)))


@pytest.mark.parametrize("label", range(4))
def test_producers_accuracy_by_the_formula_of_the_strata(olofsson, label):
    # Olofsson et al. 2014, equation 7, written out.
    matrix, weights = np.array(MATRIX), np.array(WEIGHTS)
    points = matrix.sum(axis=1)
    shares = matrix[:, label] / points
    area = (weights * shares).sum()
    producers = weights[label] * shares[label] / area
    terms = weights**2 * shares * (1 - shares) / (points - 1)
    others = terms.sum() - terms[label]
    variance = ((1 - producers) ** 2 * terms[label] + producers**2 * others) / area**2
    assert olofsson.producers.value[label] == pytest.approx(producers)
    assert olofsson.producers.se[label] == pytest.approx(variance**0.5)


def test_the_matrix_of_proportions_adds_up(olofsson):
    assert olofsson.proportions.sum() == pytest.approx(1)
    assert olofsson.proportions.sum(axis=1) == pytest.approx(WEIGHTS)
    assert olofsson.proportions[0] == pytest.approx([0.0176, 0, 0.0013, 0.0011], abs=5e-5)


def test_strata_that_are_not_the_map_by_the_formulas_written_out():
    # Two strata, two classes: the ratio estimator of Stehman 2014, point by point.
    counts = np.array([[[8, 2], [1, 9]], [[3, 1], [2, 24]]])
    weights = np.array([0.3, 0.7])
    found = area_estimates(counts, weights)
    users, variance = _ratio_point_by_point(counts, weights, 0)
    assert found.users.value[0] == pytest.approx(users)
    assert found.users.se[0] == pytest.approx(variance**0.5)
    assert found.area.value[0] == pytest.approx(0.3 * 9 / 20 + 0.7 * 5 / 30)
    assert found.overall.value[0] == pytest.approx(0.3 * 17 / 20 + 0.7 * 27 / 30)


def _ratio_point_by_point(counts, weights, label):
    rows = []
    for stratum in counts:
        pairs = [pair for pair in np.ndindex(2, 2) for _ in range(stratum[pair])]
        y = np.array([mapped == label == reference for mapped, reference in pairs], float)
        x = np.array([mapped == label for mapped, _ in pairs], float)
        rows.append((x, y))
    total = sum(w * x.mean() for w, (x, _) in zip(weights, rows, strict=True))
    ratio = sum(w * y.mean() for w, (_, y) in zip(weights, rows, strict=True)) / total
    variance = sum(
        w**2 * (y.var(ddof=1) + ratio**2 * x.var(ddof=1) - 2 * ratio * np.cov(x, y)[0, 1]) / len(x)
        for w, (x, y) in zip(weights, rows, strict=True)
    )
    return ratio, variance / total**2


def test_the_estimates_are_unbiased_over_all_samples():
    # A stratum of 4 pixels and one of 3, two points of each: every sample that can be drawn.
    strata = [[1, 1, 0, 1], [0, 0, 1]]
    draws = [list(itertools.combinations(reference, 2)) for reference in strata]
    areas = []
    for sample in itertools.product(*draws):
        counts = np.zeros((2, 2, 2), int)
        for stratum, labels in enumerate(sample):
            for label in labels:
                counts[stratum, stratum, label] += 1
        areas.append(area_estimates(counts, [4 / 7, 3 / 7]).area.value[1])
    assert np.mean(areas) == pytest.approx(4 / 7)


def test_a_class_that_no_point_shows_has_no_accuracy():
    found = area_estimates(counts_by_stratum([[10, 0, 0], [1, 9, 0], [0, 0, 0]]), [0.5, 0.5, 0])
    assert np.isnan(found.users.value[2])
    assert found.area.value[2] == 0


def test_a_stratum_of_one_point_is_refused():
    with pytest.raises(DataError, match="Stratum 1 has fewer than 2"):
        area_estimates(counts_by_stratum([[5, 1], [0, 1]]), [0.5, 0.5])


def test_sample_size_of_the_published_example():
    assert required_sample_size(WEIGHTS, [0.7, 0.6, 0.9, 0.95], 0.01) == 641


def test_a_small_map_needs_no_more_points_than_it_has():
    assert required_sample_size([0.5, 0.5], [0.8, 0.8], 0.001, population=100) <= 100


@pytest.mark.parametrize(("accuracy", "se"), [(1.2, 0.01), (0.8, 0)])
def test_what_is_no_accuracy_is_refused(accuracy, se):
    with pytest.raises(UsageError, match="between 0 and 1"):
        required_sample_size([1.0], [accuracy], se)


def test_z_of_the_usual_confidence():
    assert z_value(0.95) == pytest.approx(1.96, abs=1e-4)
    with pytest.raises(UsageError, match="0.95"):
        z_value(95)

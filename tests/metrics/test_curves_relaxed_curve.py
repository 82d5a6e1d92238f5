import math

import numpy as np
import pytest

from overland.errors import DataError
from overland.metrics.curves import RelaxedCurve, relaxed_counts


@pytest.mark.parametrize("buffer", [0, 1, 3, 3.7])
def test_each_threshold_gives_what_a_mask_cut_there_gives(buffer):
    rng = np.random.default_rng(0)
    curve, images = RelaxedCurve(buffer, bins=8), []
    for _ in range(2):
        truth, valid = rng.random((30, 40)) < 0.02, rng.random((30, 40)) < 0.9
        scores = rng.random((30, 40)).astype(np.float32) ** 8
        images.append((truth, scores, valid))
        curve.add(scores, truth, valid)
    precision, recall = curve.precision_recall()

    for index, threshold in enumerate(curve.thresholds):
        counts = sum(relaxed_counts(t, s >= threshold, buffer=buffer, valid=v) for t, s, v in images)
        assert precision[index] == counts[0] / counts[1]
        assert recall[index] == counts[2] / counts[3]


def test_break_even_by_hand():
    # Four true pixels, far apart. From 0.25 on all are found and four others beside them: precision 1/2, recall 1.
    # From 0.5 on three of them, and one other: 3/4 and 3/4. From 0.75 on one: 1 and 1/4.
    truth, scores = np.zeros((9, 90), bool), np.zeros((9, 90), np.float32)
    truth[4, [10, 30, 50, 70]] = True
    scores[4, [10, 30, 50, 70]] = [0.8, 0.6, 0.6, 0.3]
    scores[4, [20, 40, 60, 80]] = [0.6, 0.3, 0.3, 0.3]
    curve = RelaxedCurve(3, bins=4)
    curve.add(scores, truth)

    precision, recall = curve.precision_recall()
    assert precision[1:].tolist() == [0.5, 0.75, 1]
    assert recall.tolist() == [1, 1, 0.75, 0.25]
    assert curve.break_even() == (0.75, 0.5)


def test_between_two_thresholds_a_line_is_drawn():
    # Without the pixel of score 0.6 that is wrong, recall is 1 and precision 1/2, then both leap to 3/4 and 1.
    truth, scores = np.zeros((9, 90), bool), np.zeros((9, 90), np.float32)
    truth[4, [10, 30, 50, 70]] = True
    scores[4, [10, 30, 50, 70]] = [0.6, 0.6, 0.6, 0.3]
    scores[4, [20, 40, 60, 80]] = 0.3
    curve = RelaxedCurve(3, bins=4)
    curve.add(scores, truth)
    value, threshold = curve.break_even()

    # The gap goes from -1/2 to 1/4: two thirds of the way from 0.25 to 0.5, and from a recall of 1 to 3/4.
    assert value == pytest.approx(1 - 2 / 3 / 4)
    assert threshold == pytest.approx(0.25 + 2 / 3 / 4)


def test_a_perfect_prediction_breaks_even_at_1():
    truth = np.zeros((20, 20), bool)
    truth[10] = True
    curve = RelaxedCurve()
    curve.add(truth.astype(np.float32), truth)

    assert curve.break_even()[0] == 1


def test_without_a_true_pixel_there_is_no_break_even():
    curve = RelaxedCurve()
    curve.add(np.full((8, 8), 0.7, np.float32), np.zeros((8, 8), bool))

    assert all(math.isnan(value) for value in curve.break_even())


def test_what_are_no_scores_is_refused():
    with pytest.raises(DataError, match="logits"):
        RelaxedCurve().add(np.full((2, 2), -3.0), np.ones((2, 2), bool))
    with pytest.raises(DataError, match="one shape"):
        RelaxedCurve().add(np.ones((2, 2)), np.ones((2, 3), bool))

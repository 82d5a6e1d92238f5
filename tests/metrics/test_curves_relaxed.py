import numpy as np
import pytest

from overland.errors import DataError
from overland.metrics.curves import relaxed_counts


def column(at, size=20):
    mask = np.zeros((size, size), bool)
    mask[:, at] = True
    return mask


@pytest.mark.parametrize(("at", "right"), [(10, 20), (13, 20), (14, 0)])
def test_a_line_within_3_pixels_is_right(at, right):
    assert relaxed_counts(column(10), column(at)).tolist() == [right, 20, right, 20]


def test_precision_and_recall_are_not_the_same():
    assert relaxed_counts(column(10), column(10) | column(2)).tolist() == [20, 40, 20, 20]


def test_distance_goes_round_corners():
    truth, prediction = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    truth[2, 2] = prediction[4, 5] = True
    assert relaxed_counts(truth, prediction, buffer=3).tolist() == [0, 1, 0, 1]
    assert relaxed_counts(truth, prediction, buffer=3.7).tolist() == [1, 1, 1, 1]


def test_empty_masks_have_nothing_near():
    assert relaxed_counts(column(10), np.zeros((20, 20), bool)).tolist() == [0, 0, 0, 20]


def test_pixels_without_label_are_left_out():
    valid = np.ones((20, 20), bool)
    valid[10:] = False
    assert relaxed_counts(column(10), column(10), valid=valid).tolist() == [10, 10, 10, 10]


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        relaxed_counts(column(1), column(1, 9))

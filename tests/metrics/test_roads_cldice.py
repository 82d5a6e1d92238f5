import numpy as np
import pytest

from overland.errors import DataError
from overland.metrics.roads import cldice_counts


def bar(rows, columns):
    mask = np.zeros((20, 40), bool)
    mask[rows, columns] = True
    return mask


def test_a_thin_line_in_a_wide_road_is_right():
    wide, thin = bar(slice(8, 13), slice(0, 40)), bar(10, slice(0, 40))
    predicted_in, predicted, true_in, true = cldice_counts(wide, thin)
    assert predicted_in == predicted == 40
    # The skeleton of a bar forks towards its corners.
    assert 0.9 * true < true_in <= true


def test_half_of_a_line():
    assert cldice_counts(bar(10, slice(0, 40)), bar(10, slice(0, 20))).tolist() == [20, 20, 20, 40]


def test_a_line_beside_the_road_is_wrong():
    assert cldice_counts(bar(10, slice(0, 40)), bar(12, slice(0, 40))).tolist() == [0, 40, 0, 40]


def test_pixels_without_label_are_left_out():
    line = bar(10, slice(0, 40))
    assert cldice_counts(line, line, valid=bar(slice(0, 20), slice(0, 30))).tolist() == [30] * 4


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        cldice_counts(bar(1, 1), bar(1, 1).T)

import numpy as np
import pytest

from overland.errors import DataError
from overland.metrics import confusion_matrix


def test_rows_are_truth_and_columns_prediction():
    target = np.array([[0, 0, 1], [1, 1, 2]], np.uint8)
    mask = np.array([[0, 1, 1], [1, 0, 2]], np.uint8)

    assert confusion_matrix(target, mask, 3).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 1]]


def test_pixels_without_a_label_are_left_out():
    target = np.array([[255, 0, 1]], np.uint8)
    mask = np.array([[1, 0, 1]], np.uint8)

    assert confusion_matrix(target, mask, 2).tolist() == [[1, 0], [0, 1]]
    assert confusion_matrix(target, mask, 2, ignore_index=255).sum() == 2


def test_a_prediction_of_nodata_where_nothing_is_labelled_does_no_harm():
    assert confusion_matrix(np.array([255]), np.array([255]), 2).sum() == 0


@pytest.mark.parametrize(("target", "mask", "named"), [([0, 128], [0, 0], "truth"), ([0, 0], [0, 7], "prediction")])
def test_an_id_that_is_no_class_is_named(target, mask, named):
    with pytest.raises(DataError, match=rf"{named} holds the values \[(128|7)\].*0 to 1"):
        confusion_matrix(np.array(target), np.array(mask), 2)


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        confusion_matrix(np.zeros((2, 3)), np.zeros((3, 2)), 2)

import math

import numpy as np
import pytest

from overland.legend import legend_from_names
from overland.metrics import image_scores, summary_from_confusions

ROADS = legend_from_names(["background", "road"])
LAND = legend_from_names(["field", "forest", "water"])
GOOD, BAD, EMPTY = np.array([[90, 0], [0, 10]]), np.array([[900, 50], [50, 0]]), np.array([[100, 0], [0, 0]])


def test_pooled_counts_pixels_and_per_image_counts_images():
    summary = summary_from_confusions([GOOD, BAD], ROADS)

    assert summary["pooled"]["iou"] == pytest.approx(10 / 110)
    assert summary["per_image"]["iou"] == pytest.approx((1 + 0) / 2)
    assert summary["confusion"] == [[990, 50], [50, 10]]
    assert summary["images"] == 2


def test_an_image_without_road_is_no_part_of_the_mean_over_images():
    assert summary_from_confusions([GOOD, EMPTY], ROADS)["per_image"]["iou"] == 1


def test_the_headline_is_the_iou_of_the_class_of_interest_with_its_interval():
    headline = summary_from_confusions([GOOD, BAD, GOOD], ROADS)["headline"]

    assert (headline["key"], headline["class"], headline["averaging"]) == ("iou", "road", "pooled")
    assert headline["low"] <= headline["value"] <= headline["high"]


def test_the_headline_of_many_classes_is_the_mean_iou():
    headline = summary_from_confusions([np.diag([5, 5, 5])], LAND)["headline"]

    assert (headline["key"], headline["class"], headline["value"]) == ("miou", None, 1.0)
    assert math.isnan(headline["low"])


def test_no_images_give_no_scores():
    assert math.isnan(summary_from_confusions([], ROADS)["headline"]["value"])


def test_a_row_of_one_image_is_flat():
    row = image_scores(GOOD, ROADS)

    assert row["iou/road"] == row["pixel_accuracy"] == 1
    assert all(isinstance(value, float) for value in row.values())


def test_a_class_called_unknown_is_no_part_of_the_headline():
    legend = legend_from_names(["urban", "water", "unknown"])
    summary = summary_from_confusions([np.diag([5, 5, 90]), np.array([[0, 5, 0], [0, 5, 0], [0, 0, 90]])], legend)

    assert summary["headline"]["key"] == "miou_without_unknown"
    assert (
        summary["headline"]["value"] == summary["pooled"]["miou_without_unknown"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    )
    assert summary["per_image"]["miou_without_unknown"] == pytest.approx((1 + (0 + 1 / 2) / 2) / 2)
    assert summary["pooled"]["miou"] > summary["headline"]["value"]

import numpy as np
import pytest

from models_made import ranking_bundle, threshold_bundle
from overland.exporters.quantize import Agreement


def row(*values):
    return np.array(values, np.float32).reshape(1, 1, -1)


def valid(*values):
    return np.array(values, bool).reshape(1, -1)


def report_of(bundle, *images):
    agreement = Agreement(bundle)
    for image in images:
        agreement.add(*image)
    return agreement.report()


@pytest.fixture
def roads(tmp_path):
    return threshold_bundle(tmp_path / "m", threshold=0.5)


def test_equal_scores_agree_in_everything(roads):
    scores = row(0.1, 0.6, 0.9)
    report = report_of(roads, (scores, scores, valid(1, 1, 1)))
    assert (report.agreement, report.largest_difference, report.iou_change_points) == (1, 0, 0)
    assert report.class_iou_with_fp32 == {"background": 1, "road": 1}


def test_the_change_of_iou_is_measured_on_labels(roads):
    first, second = row(0.9, 0.9, 0.2, 0.2), row(0.9, 0.4, 0.2, 0.2)
    target = np.array([[1, 1, 1, 0]], np.uint8)
    report = report_of(roads, (first, second, valid(1, 1, 1, 1), target))
    assert report.agreement == 0.75
    assert report.largest_difference == pytest.approx(0.5)
    assert report.mean_difference == pytest.approx(0.125)
    assert (report.iou_fp32, report.iou_int8) == (pytest.approx(2 / 3, abs=1e-6), pytest.approx(1 / 3, abs=1e-6))
    assert report.iou_change_points == pytest.approx(-100 / 3, abs=1e-4)
    assert report.class_iou_change_points["background"] == pytest.approx(100 * (1 / 3 - 1 / 2), abs=1e-4)
    assert report.class_iou_with_fp32["road"] == 0.5


def test_without_labels_the_iou_is_what_the_scores_lead_to_expect(roads):
    first, second = row(0.8, 0.6, 0.1), row(0.8, 0.4, 0.1)
    report = report_of(roads, (first, second, valid(1, 1, 1)))
    # Of the pixels called road 0.8 + 0.6 are, and 0.1 of the others; then 0.8, and 0.7 of the others.
    assert report.iou_fp32 == pytest.approx(1.4 / (2 + 0.1), abs=1e-6)
    assert report.iou_int8 == pytest.approx(0.8 / (1 + 0.7), abs=1e-6)


def test_several_classes_count_alike_and_images_are_pooled(tmp_path):
    bundle = ranking_bundle(tmp_path / "m")
    forest, water, urban = np.eye(3, dtype=np.float32)[:, :, None, None]
    target = [np.full((1, 1), index, np.uint8) for index in range(3)]
    images = [(forest, forest, target[0]), (water, urban, target[1]), (urban, urban, target[2])]
    report = report_of(bundle, *((first, second, valid(1), truth) for first, second, truth in images))
    assert (report.images, report.pixels) == (3, 3)
    assert report.iou_fp32 == 1
    assert report.iou_int8 == pytest.approx((1 + 0 + 1 / 2) / 3, abs=1e-6)


def test_pixels_without_data_or_label_do_not_count(roads):
    first, second = row(0.9, 0.9, 0.1), row(0.9, 0.1, 0.1)
    labelled = np.array([[1, 255, 0]], np.uint8)
    assert report_of(roads, (first, second, valid(1, 0, 1))).agreement == 1
    report = report_of(roads, (first, second, valid(1, 1, 1), labelled))
    assert report.iou_change_points == 0
    assert report.agreement == pytest.approx(2 / 3)


def test_what_does_not_exist_is_none(roads):
    scores = row(0.0, 0.0)
    report = report_of(roads, (scores, scores, valid(1, 1), np.zeros((1, 2), np.uint8)))
    assert report.iou_change_points is None
    assert report.class_iou_change_points == {"background": 0, "road": None}
    assert report_of(roads).iou_fp32 is None

import numpy as np
import pytest

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.metrics import ThresholdCurve, confusion_matrix, scores_from_confusion

ROADS = legend_from_names(["background", "road"])


def _scored_image(seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random((60, 60)) < 0.2).astype(np.uint8)
    scores = np.clip(rng.normal(0.3 + 0.3 * target, 0.2), 0, 1).astype(np.float32)
    target[:5] = 255
    return scores, target


def test_every_threshold_gives_the_scores_of_the_mask_it_makes():
    scores, target = _scored_image()
    curve = ThresholdCurve(bins=256)
    curve.add(scores, target)

    precision, recall = curve.precision_recall()
    for index in (0, 1, 77, 128, 200):
        mask = (scores >= curve.thresholds[index]).astype(np.uint8)
        expected = scores_from_confusion(confusion_matrix(target, mask, 2), ROADS)
        found = curve.iou()[index], precision[index], recall[index]
        assert found == pytest.approx((expected["iou"], expected["precision"], expected["recall"]))


def test_images_are_pooled():
    whole, parts = ThresholdCurve(), ThresholdCurve()
    images = [_scored_image(seed) for seed in (1, 2)]
    for scores, target in images:
        parts.add(scores, target)
    whole.add(np.concatenate([s for s, _ in images]), np.concatenate([t for _, t in images]))

    assert np.array_equal(whole.iou(), parts.iou())


def test_best_threshold_parts_the_classes():
    curve = ThresholdCurve(bins=100)
    curve.add(np.array([0.1, 0.2, 0.81, 0.9]), np.array([0, 0, 1, 1]))

    assert curve.best() == (0.5, 1.0)


def test_saturated_scores_are_counted():
    curve = ThresholdCurve()
    curve.add(np.array([0.0, 1.0]), np.array([0, 1]))

    assert curve.best()[1] == 1


def test_logits_are_refused():
    with pytest.raises(DataError, match="logits"):
        ThresholdCurve().add(np.array([-2.0, 3.0]), np.array([0, 1]))


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        ThresholdCurve().add(np.zeros(3), np.zeros(4))


def test_without_the_class_there_is_no_best():
    curve = ThresholdCurve()
    curve.add(np.array([0.3]), np.array([0]))

    with pytest.raises(DataError, match="does not occur"):
        curve.best()


def test_the_confusion_at_a_threshold_is_that_of_the_mask():
    rng = np.random.default_rng(1)
    scores, target = rng.random((20, 30)), rng.integers(0, 2, (20, 30))
    curve = ThresholdCurve()
    curve.add(scores, target)
    for threshold in (0.0, 0.25, 0.5):
        mask = scores >= threshold
        expected = [[np.sum((target == truth) & (mask == answer)) for answer in (0, 1)] for truth in (0, 1)]
        np.testing.assert_array_equal(curve.confusion(threshold), expected)

import importlib
import math

import numpy as np
import pytest

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.metrics import confusion_matrix, scores_from_confusion

ROADS = legend_from_names(["background", "road"])
LAND = legend_from_names(["background", "field", "forest", "water"])


def test_scores_of_a_small_case_worked_out_by_hand():
    scores = scores_from_confusion(np.array([[90, 4], [2, 4]]), ROADS)

    assert scores["iou"] == pytest.approx(4 / 10)
    assert scores["f1"] == pytest.approx(8 / 14)
    assert scores["precision"] == pytest.approx(4 / 8)
    assert scores["recall"] == pytest.approx(4 / 6)
    assert scores["accuracy"] == scores["pixel_accuracy"] == pytest.approx(0.94)
    assert scores["miou"] == pytest.approx((90 / 96 + 0.4) / 2)
    assert scores["miou_without_background"] == pytest.approx(0.4)
    assert scores["classes"]["road"]["support"] == 6


def test_iou_and_f1_are_one_function_of_each_other():
    confusion = np.random.default_rng(3).integers(0, 500, (4, 4))

    for scores in scores_from_confusion(confusion, LAND)["classes"].values():
        assert scores["iou"] == pytest.approx(scores["f1"] / (2 - scores["f1"]))


def test_predicting_background_everywhere_scores_0_on_road():
    scores = scores_from_confusion(np.array([[957, 0], [43, 0]]), ROADS)

    assert scores["iou"] == scores["f1"] == scores["recall"] == 0
    assert math.isnan(scores["precision"])


def test_counting_background_as_a_hit_would_have_called_it_92_percent():
    # The trap: micro-averaged over both classes, a model that finds no road at all has "IoU" .918 at 4.3 % road.
    confusion = np.array([[957, 0], [43, 0]])
    hits = np.trace(confusion)
    trap = hits / (2 * confusion.sum() - hits)

    assert trap == pytest.approx(0.918, abs=5e-4)
    assert all(trap != value for value in scores_from_confusion(confusion, ROADS).values())
    assert scores_from_confusion(confusion, ROADS)["iou"] == 0


def test_a_perfect_mask_scores_1():
    scores = scores_from_confusion(np.diag([50, 10, 20, 20]), LAND)

    assert scores["miou"] == scores["miou_without_background"] == scores["pixel_accuracy"] == scores["f1_macro"] == 1
    assert all(scores["classes"][name][key] == 1 for name in LAND.names for key in ("iou", "f1", "precision", "recall"))


def test_an_absent_class_is_nan_and_no_part_of_a_mean():
    scores = scores_from_confusion(np.diag([50, 10, 20, 0]), LAND)

    assert all(math.isnan(scores["classes"]["water"][key]) for key in ("iou", "f1", "precision", "recall", "accuracy"))
    assert scores["miou"] == 1


def test_a_class_that_is_only_predicted_scores_0_and_counts_in_the_mean():
    confusion = np.diag([50, 10, 20, 0])
    confusion[0, 3] = 10
    scores = scores_from_confusion(confusion, LAND)

    assert scores["classes"]["water"]["iou"] == 0
    assert scores["miou"] == pytest.approx((50 / 60 + 1 + 1 + 0) / 4)


def test_without_any_label_nothing_exists():
    scores = scores_from_confusion(np.zeros((2, 2), np.int64), ROADS)

    assert all(math.isnan(scores[key]) for key in ("iou", "miou", "pixel_accuracy", "accuracy"))


def test_a_matrix_of_another_legend_is_refused():
    with pytest.raises(DataError, match="4 classes"):
        scores_from_confusion(np.zeros((2, 2), np.int64), LAND)


def _torchmetrics():
    pytest.importorskip("torch")
    try:
        return importlib.import_module("torchmetrics.classification")
    except (ImportError, RuntimeError):
        importlib.import_module("overland.models.torchvision_operators")
        return importlib.import_module("torchmetrics.classification")


@pytest.mark.filterwarnings("ignore")
def test_torchmetrics_finds_the_same():
    classification = _torchmetrics()
    torch = importlib.import_module("torch")
    rng = np.random.default_rng(1)
    target, mask = rng.integers(0, 4, (64, 64)), rng.integers(0, 4, (64, 64))
    target[rng.random(target.shape) < 0.1] = 255
    scores = scores_from_confusion(confusion_matrix(target, mask, 4), LAND)

    metrics = {
        "iou": classification.MulticlassJaccardIndex,
        "f1": classification.MulticlassF1Score,
        "precision": classification.MulticlassPrecision,
        "recall": classification.MulticlassRecall,
    }
    for key, metric in metrics.items():
        expected = metric(4, average=None, ignore_index=255)(torch.tensor(mask), torch.tensor(target))
        assert [scores["classes"][name][key] for name in LAND.names] == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_mean_without_what_nobody_knows_is_named_apart():
    legend = legend_from_names(["urban", "water", "Unknown"])
    confusion = np.array([[8, 0, 2], [0, 5, 5], [0, 0, 10]])
    scores = scores_from_confusion(confusion, legend)

    assert scores["miou"] == pytest.approx((8 / 10 + 5 / 10 + 10 / 17) / 3)
    assert scores["miou_without_unknown"] == pytest.approx((8 / 10 + 5 / 10) / 2)
    assert "miou_without_unknown" not in scores_from_confusion(np.diag([1, 1]), legend_from_names(["a", "b"]))

"""Traps of scoring and of clean-up: the published way, in a few lines, gives the published figure; ours must not."""

import math

import numpy as np
import pytest
from scipy.ndimage import label

from overland.cleaning import PRESETS, clean_mask
from overland.legend import legend_from_names
from overland.metrics import ThresholdCurve, confusion_matrix, scores_from_confusion, summary_from_confusions

ROADS = legend_from_names(["background", "road"])
LAND = legend_from_names(["urban", "agriculture", "rangeland", "forest", "water", "barren", "unknown"])
# What the land-cover system printed for each class, in this order.
PRINTED = np.array([0.71, 0.71, 0.35, 0.72, 0.66, 0.57, 0.98])


def confusion_with_ious(ious, errors=1000):
    """Each class loses as many pixels to the next one, and keeps as many as give its IoU."""
    kept = np.rint(2 * errors * ious / (1 - ious)).astype(np.int64)
    return np.diag(kept) + errors * np.roll(np.eye(len(ious), dtype=np.int64), 1, axis=1)


def published_micro_iou(truth, mask):
    """IoU over the one-hot channels of background and road together."""
    truth, mask = (np.stack([ids == 0, ids == 1]) for ids in (truth, mask))
    return (truth & mask).sum() / (truth | mask).sum()


def test_micro_iou_with_background_calls_a_map_without_roads_good():
    truth = np.zeros((100, 100), np.uint8)
    truth.ravel()[:430] = 1  # 4.3 % road
    nothing = np.zeros_like(truth)
    assert published_micro_iou(truth, nothing) == pytest.approx(0.918, abs=5e-4)

    summary = summary_from_confusions([confusion_matrix(truth, nothing, 2)], ROADS)
    headline = summary["headline"]
    assert (headline["key"], headline["class"], headline["value"]) == ("iou", "road", 0)
    assert summary["pooled"]["f1"] == 0


def test_a_mean_iou_with_the_unknown_is_called_by_another_name_than_the_one_without():
    scores = scores_from_confusion(confusion_with_ious(PRINTED), LAND)
    assert [scores["classes"][name]["iou"] for name in LAND.names] == pytest.approx(PRINTED, abs=1e-3)
    published = np.mean([scores["classes"][name]["iou"] for name in LAND.names])
    assert published == pytest.approx(0.671, abs=1e-3)

    assert scores["miou_without_unknown"] == pytest.approx(0.620, abs=1e-3)
    headline = summary_from_confusions([confusion_with_ious(PRINTED)], LAND)["headline"]
    assert (headline["key"], headline["value"]) == ("miou_without_unknown", pytest.approx(0.620, abs=1e-3))


@pytest.mark.parametrize(("absent_scores", "published_mean"), [(0.0, 0.5), (1.0, 1.0)])
def test_a_class_that_is_absent_has_no_score(absent_scores, published_mean):
    def published_miou(confusion):
        hits, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
        return np.where(union > 0, hits / np.maximum(union, 1), absent_scores).mean()

    only_background = np.array([[1000, 0], [0, 0]])
    assert published_miou(only_background) == published_mean
    scores = scores_from_confusion(only_background, ROADS)
    assert math.isnan(scores["iou"])
    assert math.isnan(scores["classes"]["road"]["iou"])
    assert math.isnan(scores["miou_without_background"])


def test_the_score_of_one_image_is_not_the_score_of_the_set():
    rng = np.random.default_rng(0)
    truths = rng.integers(0, 2, (40, 32, 32))
    # Images differ: between one pixel in twenty and one in two is wrong.
    masks = [np.where(rng.random(t.shape) < rng.uniform(0.05, 0.5), 1 - t, t) for t in truths]
    confusions = [confusion_matrix(truth, mask, 2) for truth, mask in zip(truths, masks, strict=True)]

    published = [scores_from_confusion(confusion, ROADS)["iou"] for confusion in confusions]
    assert max(published) - min(published) > 0.4  # one image says whatever it happens to be

    summary = summary_from_confusions(confusions, ROADS)
    backwards = summary_from_confusions(confusions[::-1], ROADS)
    headline = summary["headline"]
    assert (summary["images"], headline["averaging"]) == (40, "pooled")
    assert headline["value"] == backwards["headline"]["value"]
    assert headline["low"] < headline["value"] < headline["high"]
    assert headline["high"] - headline["low"] < 0.2
    alone = summary_from_confusions(confusions[:1], ROADS)
    assert alone["images"] == 1


def test_iou_and_f1_of_every_table_are_one_function_of_each_other():
    rng = np.random.default_rng(5)
    confusions = [rng.integers(0, 1000 * 4**k, (3, 3)) for k in range(5)]
    legend = legend_from_names(["urban", "water", "forest"])

    # Published: means over images of both. They are no function of each other, so one can look fine for the other.
    means = summary_from_confusions(confusions, legend)["per_image"]["classes"]["urban"]
    assert abs(means["iou"] - means["f1"] / (2 - means["f1"])) > 1e-3

    pooled = summary_from_confusions(confusions, legend)["pooled"]["classes"]
    assert all(row["iou"] == pytest.approx(row["f1"] / (2 - row["f1"]), abs=1e-12) for row in pooled.values())


def test_iou_and_f1_of_every_threshold_are_one_function_of_each_other():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 2, (64, 64))
    curve = ThresholdCurve()
    curve.add(np.clip(0.3 * truth + 0.7 * rng.random(truth.shape), 0, 1), truth)
    precision, recall = curve.precision_recall()
    f1 = 2 * precision * recall / (precision + recall)
    there = np.isfinite(f1)
    assert there.sum() > 900
    assert curve.iou()[there] == pytest.approx((f1 / (2 - f1))[there], abs=1e-12)


def without_small(layer, pixels=64):
    regions, _ = label(layer)
    areas = np.bincount(regions.ravel())
    areas[0] = 0
    return areas[regions] >= pixels


def published_clean_up(mask):
    """Each class without small parts and holes, painted on zeros: what no class keeps is class 0, which is urban."""
    painted = np.zeros_like(mask)
    for index in range(len(LAND.names)):
        painted[~without_small(~without_small(mask == index))] = index
    return painted


def test_a_clean_up_invents_no_class_0():
    rng = np.random.default_rng(0)
    mask = np.ones((200, 200), np.uint8)
    mask[:, 120:] = 3
    wrong = rng.random(mask.shape) < 0.53
    mask[wrong] = rng.integers(1, 7, int(wrong.sum()))
    assert not (mask == 0).any()
    assert (published_clean_up(mask) == 0).mean() == pytest.approx(0.51, abs=0.02)

    for cleanup in PRESETS.values():
        assert not (clean_mask(mask, cleanup) == 0).any()

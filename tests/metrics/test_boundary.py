import math

import numpy as np
import pytest

from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.metrics.boundary import BoundaryCounts, boundary_counts, boundary_pixels

ROADS = legend_from_names(["background", "road"])
SQUARE = np.zeros((20, 20), np.uint8)
SQUARE[5:15, 5:15] = 1
MOVED = np.roll(SQUARE, 1, axis=1)


def counts(target, mask, width=1, index=1):
    return boundary_counts(target, mask, 2, width=width, ignore_index=255)[index].tolist()


def test_the_band_of_a_square_is_its_rim():
    # 10 x 10 less 8 x 8, and less 6 x 6.
    assert counts(SQUARE, SQUARE) == [36, 36]
    assert counts(SQUARE, SQUARE, width=2) == [64, 64]
    assert counts(SQUARE, SQUARE, width=5) == [100, 100]


def test_a_shift_costs_more_on_the_outline_than_on_the_area():
    # Of 36 pixels each, the rims of squares one column apart share nine in the top and nine in the bottom row.
    assert counts(SQUARE, MOVED) == [18, 54]
    assert (SQUARE & MOVED).sum() / (SQUARE | MOVED).sum() == pytest.approx(90 / 110)
    assert boundary_counts(SQUARE, MOVED, 2, width=1, ignore_index=255).shape == (2, 2)


def test_the_edge_of_the_image_is_an_outline():
    # As in the authors' code: the 20 x 20 frame, 76 pixels, and the ring around the hole, 12 x 12 less 10 x 10.
    assert counts(SQUARE, SQUARE, index=0) == [76 + 44, 76 + 44]


def test_pixels_without_label_count_nothing_and_make_no_outline():
    target, mask = np.ones((20, 20), np.uint8), np.ones((20, 20), np.uint8)
    target[:, 10:] = 255
    mask[:, 10:] = 0

    # The frame's left half: 10 above, 10 below, 18 between; nothing along column 10.
    assert counts(target, mask) == [38, 38]


def test_a_class_that_is_nowhere_has_no_score():
    nothing = BoundaryCounts(ROADS, 1)
    nothing.add(0 * SQUARE, 0 * SQUARE, 255)

    assert math.isnan(nothing.scores()["iou"])
    assert nothing.scores()["miou"] == 1


def test_images_are_pooled_and_means_are_over_the_classes_in_truth_or_prediction():
    pooled = BoundaryCounts(legend_from_names(["background", "road", "river"]), 1)
    pooled.add(SQUARE, SQUARE, 255)
    pooled.add(SQUARE, MOVED, 255)
    pooled.add(SQUARE, 0 * SQUARE + 2, 255)
    scores = pooled.scores()

    assert scores["averaging"] == "pooled"
    assert scores["classes"]["road"] == pytest.approx((36 + 18) / (36 + 54 + 36))
    assert scores["classes"]["river"] == 0
    assert scores["miou_without_background"] == scores["classes"]["road"] / 2
    assert scores["miou"] == pytest.approx((scores["classes"]["background"] + scores["classes"]["road"]) / 3)
    assert "iou" not in scores


@pytest.mark.parametrize(("band", "pixels"), [("3", 3), (3, 3), ("2%", 10), ("0.01%", 1), (" 1.5 %", 8)])
def test_a_band_is_pixels_or_a_share_of_the_diagonal(band, pixels):
    assert boundary_pixels(band, 300, 400) == pixels


@pytest.mark.parametrize("band", ["0", "-1", "2.5", "wide", "%", "-2%", "nan%", "inf%"])
def test_other_bands_are_refused(band):
    with pytest.raises(UsageError, match="2%"):
        BoundaryCounts(ROADS, band)


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        counts(SQUARE, SQUARE[:10])


def test_bands_are_those_of_the_authors_code():
    cv2 = pytest.importorskip("cv2", reason="the authors' code erodes with OpenCV")
    rng = np.random.default_rng(0)
    truth, mask = (cv2.GaussianBlur(rng.random((60, 80)), (0, 0), 4) > 0.5 for _ in range(2))
    for width in (1, 3):
        bands = []
        for members in (truth, mask):
            padded = np.pad(members.astype(np.uint8), 1)
            kept = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
            bands.append(members & (kept == 0))
        expected = [(bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()]

        assert 0 < expected[0] < expected[1]
        assert counts(truth.astype(np.uint8), mask.astype(np.uint8), width=width) == expected

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_closing, binary_opening

from noisy_masks import land, mask_from_text, renumbered
from overland.cleaning import close_mask, open_mask

DISK_OF_FIVE = np.ones((5, 5), bool)
DISK_OF_FIVE[::4, ::4] = False


def test_opening_on_a_background_is_the_binary_opening():
    mask = np.random.default_rng(0).random((80, 60)) < 0.9
    expected = binary_opening(np.pad(mask, 8, constant_values=True), DISK_OF_FIVE)[8:-8, 8:-8]
    np.testing.assert_array_equal(open_mask(mask.astype(np.uint8), 5, background=0), expected)


def test_closing_on_a_background_is_the_binary_closing():
    mask = np.random.default_rng(0).random((80, 60)) < 0.1
    expected = binary_closing(np.pad(mask, 8), DISK_OF_FIVE)[8:-8, 8:-8]
    np.testing.assert_array_equal(close_mask(mask.astype(np.uint8), 5, background=0), expected)


def test_what_is_opened_away_goes_to_the_nearest_class():
    mask = np.full((12, 24), 3, np.uint8)
    mask[:, 12:] = 5
    mask[6, 2:8] = mask[6, 18:22] = 1
    opened = open_mask(mask, 3)
    assert set(np.unique(opened[:, :12])) == {3}
    assert set(np.unique(opened[:, 12:])) == {5}


def test_an_even_choice_goes_to_the_class_above_whatever_its_id():
    mask = np.repeat(np.array([4] * 5 + [1] + [2] * 5, np.uint8)[:, None], 9, axis=1)
    assert (open_mask(mask, 3)[5] == 4).all()
    assert (open_mask(mask[::-1], 3)[5] == 2).all()


def test_a_spur_does_not_grow_back_from_its_own_road():
    mask = np.zeros((30, 30), np.uint8)
    mask[10:20] = 1
    road = mask.copy()
    mask[20:22, 12:14] = 1
    np.testing.assert_array_equal(open_mask(mask, 5, background=0), road)
    assert (open_mask(mask, 5)[20:22, 12:14] == 0).all()


def test_what_nothing_near_could_take_stays():
    mask = (np.indices((20, 20)).sum(axis=0) % 2).astype(np.uint8)
    np.testing.assert_array_equal(open_mask(mask, 3)[5:-5, 5:-5], mask[5:-5, 5:-5])


def test_what_the_edge_cuts_off_is_not_opened_away():
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 19] = 1
    mask[7:11, 10:] = 255
    mask[11, 12:18] = 2
    opened = open_mask(mask, 3, background=0)
    np.testing.assert_array_equal(opened, mask)


def test_without_a_background_the_first_class_is_opened_too():
    mask = np.ones((9, 9), np.uint8)
    mask[4, 4] = 0
    assert open_mask(mask, 3)[4, 4] == 1
    assert open_mask(mask, 3, background=0)[4, 4] == 0


def test_a_gap_in_a_road_closes():
    mask = np.zeros((21, 30), np.uint8)
    mask[8:13] = 1
    mask[:, 14:16] = 0
    assert (close_mask(mask, 5, background=0)[8:13] == 1).all()
    assert (close_mask(mask, 5, background=0)[:6] == 0).all()


def test_what_two_classes_could_claim_stays():
    mask = mask_from_text("0000000", "1110222", "1110222", "1110222", "0000000")
    crossed = mask_from_text("1110111", "2220222", "1110111")
    np.testing.assert_array_equal(close_mask(mask, 3, background=0), mask)
    assert close_mask(crossed, 3, background=0)[1, 3] == 0


@pytest.mark.parametrize("clean", [open_mask, close_mask])
@pytest.mark.parametrize("classes", [5, 20])
def test_permuting_the_ids_permutes_the_result(clean, classes):
    mask = land(3, classes=classes)
    ids = np.random.default_rng(1).permutation(254)[:classes].tolist()
    np.testing.assert_array_equal(clean(renumbered(mask, ids), 5), renumbered(clean(mask, 5), ids))


@pytest.mark.parametrize("clean", [open_mask, close_mask])
def test_missing_data_stays_and_is_not_grown_into(clean):
    mask = land(4)
    cleaned = clean(mask, 5)
    np.testing.assert_array_equal(cleaned == 255, mask == 255)
    assert (cleaned != mask).any()

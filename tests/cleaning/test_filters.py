from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import median_filter

from noisy_masks import land, mask_from_text, renumbered
from overland.cleaning import majority_mask, median_mask
from overland.cleaning.filters import classes_in


def majority_by_hand(mask, size):
    reach, result = size // 2, mask.copy()
    for row, col in zip(*np.nonzero(mask != 255), strict=True):
        window = mask[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
        counts = np.bincount(window.ravel(), minlength=256)[:255]
        best = np.flatnonzero(counts == counts.max())
        if len(best) == 1:
            result[row, col] = best[0]
    return result


@pytest.mark.parametrize("size", [3, 5, 17])
def test_majority_is_what_counting_by_hand_gives(size):
    mask = land(1, 40, 30, noise=0.4)
    np.testing.assert_array_equal(majority_mask(mask, size), majority_by_hand(mask, size))


@pytest.mark.parametrize("size", [3, 5, 17])
def test_the_median_of_two_classes_is_the_median_filter(size):
    mask = np.random.default_rng(0).integers(0, 2, (60, 50)).astype(np.uint8)
    inside = (slice(size // 2, -(size // 2)),) * 2
    np.testing.assert_array_equal(median_mask(mask, size)[inside], median_filter(mask, size)[inside])


def test_the_median_needs_more_than_half_where_the_majority_needs_most():
    mask = mask_from_text("113", "102", "322")
    assert median_mask(mask, 3)[1, 1] == 0
    assert majority_mask(mask_from_text("113", "102", "132"), 3)[1, 1] == 1


def test_a_tie_keeps_the_pixel():
    assert majority_mask(mask_from_text("111", "102", "222"), 3)[1, 1] == 0


@pytest.mark.parametrize("clean", [median_mask, majority_mask])
def test_missing_data_stays_and_counts_for_nothing(clean):
    cleaned = clean(mask_from_text("...", ".12", "..2"), 3)
    np.testing.assert_array_equal(cleaned, mask_from_text("...", ".22", "..2"))


@pytest.mark.parametrize("clean", [median_mask, majority_mask])
def test_permuting_the_ids_permutes_the_result(clean):
    mask, ids = land(2, noise=0.4), [7, 3, 250, 0, 4]
    np.testing.assert_array_equal(clean(renumbered(mask, ids), 5), renumbered(clean(mask, 5), ids))


def test_classes_in_leaves_missing_data_out():
    assert classes_in(mask_from_text("0.7")) == [0, 7]

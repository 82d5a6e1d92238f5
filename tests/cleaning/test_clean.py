from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label, median_filter

from noisy_masks import land, renumbered
from overland.cleaning import PRESETS, CleanUp, clean_mask, clean_row_blocks, plan_regions

EVERYTHING = CleanUp(median=3, majority=5, open=3, close=3, remove_objects=9, fill_holes=20, sieve=12)
CLEANUPS = [
    CleanUp(median=5),
    CleanUp(majority=7),
    CleanUp(open=5),
    CleanUp(close=7),
    CleanUp(remove_objects=20),
    CleanUp(fill_holes=30),
    CleanUp(sieve=40),
    EVERYTHING,
]


def cleaned_in_bands(mask, cleanup, rows, background=None):
    bands = [(top, min(top + rows, len(mask))) for top in range(0, len(mask), rows)]

    def read_rows(top, end):
        return mask[top:end].copy()

    plan = plan_regions(read_rows, bands, cleanup, background)
    pieces = list(clean_row_blocks(read_rows, bands, cleanup, background, plan))
    np.testing.assert_array_equal(np.concatenate([before for before, _ in pieces]), mask)
    return np.concatenate([after for _, after in pieces])


@pytest.mark.parametrize("cleanup", CLEANUPS, ids=str)
@pytest.mark.parametrize("background", [None, 0])
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_one_band_or_many_give_the_same_pixels(cleanup, background, noise):
    mask = land(8, noise=noise)
    whole = clean_mask(mask, cleanup, background)
    for rows in (1, 7, 32):
        np.testing.assert_array_equal(cleaned_in_bands(mask, cleanup, rows, background), whole)


@pytest.mark.parametrize("cleanup", CLEANUPS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_permuting_the_ids_permutes_the_result(cleanup, seed):
    mask = land(seed, noise=0.3)
    ids = np.random.default_rng(seed).permutation(255)[:5].tolist()
    np.testing.assert_array_equal(
        clean_mask(renumbered(mask, ids), cleanup), renumbered(clean_mask(mask, cleanup), ids)
    )
    with_background = clean_mask(renumbered(mask, ids), cleanup, ids[2])
    np.testing.assert_array_equal(with_background, renumbered(clean_mask(mask, cleanup, 2), ids))


@pytest.mark.parametrize("cleanup", CLEANUPS, ids=str)
def test_missing_data_stays_and_no_class_is_invented(cleanup):
    mask = land(9, noise=0.4)
    cleaned = clean_mask(mask, cleanup)
    np.testing.assert_array_equal(cleaned == 255, mask == 255)
    assert set(np.unique(cleaned)) <= set(np.unique(mask))
    assert (cleaned != mask).any()


def test_the_mask_itself_is_kept():
    mask = land(10)
    copy = mask.copy()
    clean_mask(mask, EVERYTHING)
    np.testing.assert_array_equal(mask, copy)


URBAN, AGRICULTURE, RANGELAND, FOREST = range(4)


def noisy_field():
    """Agriculture and forest, half of whose pixels are wrong, and nothing urban."""
    rng = np.random.default_rng(0)
    mask = np.full((200, 200), AGRICULTURE, np.uint8)
    mask[:, 120:] = FOREST
    wrong = rng.random(mask.shape) < 0.5
    mask[wrong] = rng.integers(AGRICULTURE, 7, int(wrong.sum()))
    return mask


def published_morphological(mask):
    """Each class cleaned alone and painted on zeros: what no class keeps is left 0, and 0 is urban."""
    result = np.zeros_like(mask)
    for index in range(7):
        layer = without_small(mask == index)
        result[~without_small(~layer)] = index
    return result


def without_small(layer, pixels=64):
    regions, _ = label(layer)
    areas = np.bincount(regions.ravel())
    areas[0] = 0
    return areas[regions] >= pixels


def test_no_urban_is_invented_on_a_noisy_field():
    mask = noisy_field()
    assert (published_morphological(mask) == URBAN).mean() > 0.1
    for cleanup in PRESETS.values():
        assert not (clean_mask(mask, cleanup) == URBAN).any()


def test_the_published_median_depends_on_the_order_of_classes_and_ours_does_not():
    mask, ids = noisy_field(), [3, 0, 6, 1, 5, 2, 4]
    published = median_filter(renumbered(mask, ids), 3)
    assert (published != renumbered(median_filter(mask, 3), ids)).mean() > 0.05
    ours = clean_mask(renumbered(mask, ids), PRESETS["median"])
    np.testing.assert_array_equal(ours, renumbered(clean_mask(mask, PRESETS["median"]), ids))

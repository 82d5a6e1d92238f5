from __future__ import annotations

import numpy as np
import pytest

from noisy_masks import land, mask_from_text, renumbered
from overland.cleaning.regions import paint_regions, regions_from_row_blocks

SMALL = mask_from_text(
    "0012",
    "0.12",
    "3112",
)


def bands(mask, *cuts):
    return np.split(mask, cuts)


def test_regions_of_a_drawn_mask():
    regions, (of_label,) = regions_from_row_blocks([SMALL], largest=100)
    assert regions.classes.tolist() == [255, 0, 1, 2, 3]
    assert regions.areas[1:].tolist() == [3, 4, 3, 1]
    borders = {tuple(pair): border for pair, border in zip(regions.pairs.tolist(), regions.borders, strict=True)}
    inner = {pair: border for pair, border in borders.items() if pair[0] != 0}
    assert inner == {(1, 2): 1, (2, 3): 3, (1, 4): 1, (2, 4): 1}
    assert borders[0, 1] == 2 + 2 + 2
    assert len(regions) == 4
    np.testing.assert_array_equal(paint_regions(SMALL, of_label, regions.classes), SMALL)


@pytest.mark.parametrize("cuts", [(1,), (1, 2), (30,), (7, 8, 31, 60), tuple(range(1, 90))])
def test_regions_do_not_depend_on_the_row_blocks(cuts):
    mask = land(5)
    whole, (of_label,) = regions_from_row_blocks([mask], largest=10**9)
    cut, of_labels = regions_from_row_blocks(bands(mask, *cuts), largest=10**9)
    for name in ("classes", "areas", "pairs", "borders"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
    numbers = (np.arange(len(cut.classes)) % 250).astype(np.uint8)
    painted = [paint_regions(band, of, numbers) for band, of in zip(bands(mask, *cuts), of_labels, strict=True)]
    np.testing.assert_array_equal(np.concatenate(painted), paint_regions(mask, of_label, numbers))


def test_regions_are_numbered_by_place_and_not_by_class():
    mask = land(6)
    regions, _ = regions_from_row_blocks([mask], largest=10**9)
    others, _ = regions_from_row_blocks([renumbered(mask, [4, 3, 2, 1, 0])], largest=10**9)
    np.testing.assert_array_equal(regions.areas, others.areas)
    np.testing.assert_array_equal(regions.pairs, others.pairs)


def test_borders_between_large_regions_are_left_out():
    mask = np.repeat(np.array([[0, 0, 0, 1, 1, 1]], np.uint8), 10, axis=0)
    mask[5, 1] = 2
    regions, _ = regions_from_row_blocks([mask], largest=5)
    inside = regions.pairs[:, 0] > 0
    assert regions.pairs[inside].tolist() == [[1, 3]]
    assert regions.borders[inside].tolist() == [4]


def test_a_mask_without_data_has_no_regions():
    regions, _ = regions_from_row_blocks([np.full((4, 5), 255, np.uint8)] * 2, largest=9)
    assert len(regions) == 0

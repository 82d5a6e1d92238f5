from __future__ import annotations

import numpy as np
import pytest

from noisy_masks import land, mask_from_text
from overland.cleaning import CleanUp, clean_mask
from overland.cleaning.regions import paint_regions, regions_from_row_blocks


def cleaned(*rows, background=None, **sizes):
    return clean_mask(mask_from_text(*rows), CleanUp(**sizes), background)


def same(found, *rows):
    np.testing.assert_array_equal(found, mask_from_text(*rows))


def test_a_speck_takes_the_class_with_the_longest_border():
    same(cleaned("11122", "11022", "11222", "22222", sieve=2), "11122", "11222", "11222", "22222")


def test_of_equal_borders_the_larger_region_wins():
    same(cleaned("1102222", sieve=2), "1122222")
    same(cleaned("2222011", sieve=2), "2222211")


def test_of_equal_neighbours_the_first_in_the_raster_wins():
    same(cleaned("11033", sieve=2), "11133")
    same(cleaned("33011", sieve=2), "33311")


def test_clusters_of_small_regions_are_taken_from_outside_inwards():
    same(cleaned("111234555555", sieve=3), "111115555555")


def test_regions_touching_nothing_larger_stay():
    rows = ("0101", "1010", "0101")
    same(cleaned(*rows, sieve=4), *rows)


def test_no_class_is_an_object_less_than_another():
    rows = ("11111", "11011", "11111")
    same(cleaned(*rows, remove_objects=3), "11111", "11111", "11111")
    same(cleaned(*rows, remove_objects=3, background=0), *rows)


def test_the_background_is_sieved_all_the_same():
    same(cleaned("11111", "11011", "11111", sieve=3, background=0), "11111", "11111", "11111")


def test_missing_data_takes_nothing():
    same(cleaned("..1..", ".....", "22211", sieve=3), "..1..", ".....", "22222")


def test_a_hole_is_filled_and_a_bay_is_not():
    rows = ("111111", "101101", "111101", "111101")
    same(cleaned(*rows, fill_holes=5, background=0), "111111", "111101", "111101", "111101")


def test_an_opening_to_missing_data_is_no_hole():
    rows = ("11111", "110.1", "11111")
    same(cleaned(*rows, fill_holes=5), *rows)


def test_a_region_between_two_classes_is_no_hole():
    rows = ("11122", "11022", "11122")
    same(cleaned(*rows, fill_holes=5), *rows)


def test_an_object_on_the_background_is_no_hole():
    rows = ("00000", "00100", "00000")
    same(cleaned(*rows, fill_holes=5, background=0), *rows)
    same(cleaned(*rows, fill_holes=5), "00000", "00000", "00000")


def test_of_nested_holes_the_outer_is_filled_first_and_all_go():
    rows = ("1111111", "1000001", "1011101", "1010101", "1011101", "1000001", "1111111")
    assert (cleaned(*rows, fill_holes=20) == 1).all()


def test_objects_go_before_holes():
    # The speck of class 2 would keep the hole from being one.
    rows = ("11111", "10021", "11111")
    assert (cleaned(*rows, remove_objects=2, fill_holes=5, background=0) == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_under_the_mapping_unit_is_left(seed):
    mask = land(seed, noise=0.15)
    regions, _ = regions_from_row_blocks([clean_mask(mask, CleanUp(sieve=30))], largest=30)
    assert regions.areas.min() >= 30


def test_regions_of_the_mapping_unit_are_not_touched():
    mask = land(7, noise=0.05)
    regions, (of_label,) = regions_from_row_blocks([mask], largest=30)
    large = (regions.areas >= 30).astype(np.uint8)
    is_large = (paint_regions(mask, of_label, large) == 1) & (mask != 255)
    result = clean_mask(mask, CleanUp(sieve=30))
    np.testing.assert_array_equal(result[is_large], mask[is_large])

from __future__ import annotations

import pytest

from overland.cleaning import PRESETS, CleanUp
from overland.errors import UsageError


@pytest.mark.parametrize("sizes", [{"median": 4}, {"open": 1}, {"close": 257}, {"majority": -3}, {"sieve": -1}])
def test_sizes_that_make_no_sense_are_refused(sizes):
    with pytest.raises(UsageError, match=next(iter(sizes))):
        CleanUp(**sizes)


def test_steps_come_in_their_order_and_without_those_left_out():
    assert CleanUp(sieve=5, median=3, open=0).steps == {"median": 3, "sieve": 5}
    assert list(CleanUp(sieve=5, median=3).steps) == ["median", "sieve"]


def test_the_halo_adds_up():
    assert CleanUp(sieve=5).halo == 0
    assert CleanUp(median=3, majority=5).halo == 3
    assert CleanUp(open=3, close=5).halo == 5 + 4


def test_the_presets_are_the_published_sizes():
    assert PRESETS["morphological"].steps == {"remove_objects": 64, "fill_holes": 64}
    assert PRESETS["median"].steps == {"median": 3}

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overland.inference import MemoryCosts, chip_size_for, default_budget_mb, plan_windows, planned_memory_mb
from overland.inference.memory import LARGEST_CHIP

COSTS = MemoryCosts(bytes_per_pixel=800, streams=2, bands=3, pixel_bytes=3, num_scores=1)


@given(
    budget=st.integers(400, 64_000),
    bytes_per_pixel=st.floats(10, 5000),
    streams=st.integers(1, 16),
    num_scores=st.integers(1, 20),
    width=st.integers(1, 60_000),
    halo=st.integers(0, 200),
    divisor=st.sampled_from([1, 8, 32]),
)
def test_a_plan_of_the_largest_window_stays_within_the_budget(
    budget, bytes_per_pixel, streams, num_scores, width, halo, divisor
):
    costs = dataclasses.replace(COSTS, bytes_per_pixel=bytes_per_pixel, streams=streams, num_scores=num_scores)
    chip_size = chip_size_for(budget, costs, width=width, halo=halo, divisor=divisor)
    plan = plan_windows(50_000, width, chip_size=chip_size, halo=halo, divisor=divisor)
    assert chip_size % divisor == 0
    smallest = chip_size <= 4 * halo + 3 * divisor
    assert smallest or planned_memory_mb(plan, costs) <= budget
    assert smallest or chip_size <= LARGEST_CHIP


def test_more_memory_gives_larger_windows_up_to_where_they_gain_nothing():
    sizes = [chip_size_for(budget, COSTS, width=10_000, halo=32, divisor=32) for budget in (500, 1000, 4000, 64_000)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == LARGEST_CHIP


@pytest.mark.parametrize(
    "change", [{"bytes_per_pixel": 2000}, {"streams": 8}, {"num_scores": 30}, {"pixel_bytes": 60}, {"bands": 40}]
)
def test_whatever_costs_more_gives_smaller_windows(change):
    plain, dear = (
        chip_size_for(2500, costs, width=20_000, halo=32, divisor=32)
        for costs in (COSTS, dataclasses.replace(COSTS, **change))
    )
    assert dear < plain


def test_a_wide_raster_gives_smaller_windows_and_a_narrow_part_of_it_does_not():
    wide = chip_size_for(2000, COSTS, width=100_000, halo=32, divisor=32)
    part = chip_size_for(2000, COSTS, width=3000, halo=32, divisor=32)
    assert wide < part


def test_no_budget_is_too_small_for_the_smallest_window():
    assert chip_size_for(1, COSTS, width=10_000, halo=50, divisor=32) == 256
    plan_windows(10_000, 10_000, chip_size=256, halo=50, divisor=32)


def test_an_unknown_network_is_taken_for_a_usual_one():
    unknown = dataclasses.replace(COSTS, bytes_per_pixel=None)
    assert 512 < chip_size_for(4000, unknown, width=10_000, halo=32, divisor=32) < LARGEST_CHIP


def test_half_of_the_free_memory_is_taken():
    assert default_budget_mb(8000) == 4000
    assert default_budget_mb(None) == 2000


@pytest.mark.parametrize(("free_mb", "halo"), [(8000, 16), (12_000, 32), (24_000, 64)])
def test_a_large_raster_costs_little_more_than_its_pixels_by_default(free_mb, halo):
    chip_size = chip_size_for(default_budget_mb(free_mb), COSTS, width=10_000, halo=halo, divisor=32)
    plan = plan_windows(10_000, 10_000, chip_size=chip_size, halo=halo, divisor=32)
    assert plan.redundancy <= 1.15

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.inference import MemoryCosts, default_budget_mb, default_window, memory, plan_windows, planned_memory_mb
from overland.inference.memory import LARGEST_WINDOW, window_for, window_for_width, workers_for

COSTS = MemoryCosts(bytes_per_pixel=800, bands=3, pixel_bytes=3, num_outputs=1)
PLAN = plan_windows(10_000, 10_000, chip_size=1024, halo=64, divisor=32)


@given(
    bytes_per_pixel=st.floats(1, 5000) | st.none(), halo=st.integers(0, 400), divisor=st.sampled_from([1, 8, 16, 32])
)
def test_a_window_fits_its_network_and_keeps_four_ninths_of_its_pixels(bytes_per_pixel, halo, divisor):
    side = window_for(bytes_per_pixel, halo=halo, divisor=divisor)
    plan = plan_windows(100_000, 100_000, chip_size=side, halo=halo, divisor=divisor)
    assert side % divisor == 0
    assert (plan.rows.stride / plan.rows.chip) ** 2 >= 4 / 9 - 0.02
    smallest = side <= 6 * (halo + divisor) + divisor
    assert smallest or side <= LARGEST_WINDOW
    assert smallest or (bytes_per_pixel or 1200) * side**2 <= 1.3e9


def test_the_unet_of_the_documentation_takes_windows_that_cover_2048_pixels_twice():
    # 806 bytes a pixel and a halo of 64, as measured; 2 x 2 windows of 1,152, at 1.27 model pixels for each.
    for bytes_per_pixel in (790, 806.3, 825):
        side = window_for(bytes_per_pixel, halo=64, divisor=16)
        plan = plan_windows(2048, 2048, chip_size=side, halo=64, divisor=16)
        assert (plan.windows, plan.rows.chip) == (4, 1152)
        costs = MemoryCosts(bytes_per_pixel, bands=3, pixel_bytes=3, num_outputs=5)
        assert planned_memory_mb(plan, costs) < 1700


def test_the_window_in_the_bundle_counts(tmp_path):
    bundle = threshold_bundle(tmp_path / "m", bytes_per_pixel=800.0)
    assert default_window(bundle) == window_for(800.0, halo=4, divisor=8)
    stored = dataclasses.replace(bundle, window=640)
    assert default_window(stored) == 640
    # Not less than four halos of another model.
    assert default_window(stored, halo=200, divisor=8) == 800


@pytest.mark.parametrize(
    "change",
    [{"bytes_per_pixel": 2000}, {"num_outputs": 30}, {"pixel_bytes": 200}, {"bands": 400}, {"fixed_bytes": 2e9}],
)
def test_whatever_costs_more_lets_fewer_windows_run_at_once(change):
    plain, dear = (
        workers_for(PLAN, costs, max_memory_mb=16_000) for costs in (COSTS, dataclasses.replace(COSTS, **change))
    )
    assert dear < plain


@given(budget=st.integers(2000, 64_000))
def test_the_windows_at_once_stay_within_the_memory(budget):
    workers = workers_for(PLAN, COSTS, max_memory_mb=budget)
    assert planned_memory_mb(PLAN, COSTS, workers=workers) <= budget
    assert planned_memory_mb(PLAN, COSTS, workers=workers + 1) > budget


def test_a_narrow_part_of_a_wide_raster_takes_less():
    wide = plan_windows(10_000, 100_000, chip_size=1024, halo=64, divisor=32)
    assert planned_memory_mb(wide, COSTS, width=3000) < planned_memory_mb(wide, COSTS)
    with pytest.raises(UsageError, match="--max-memory allows 1,500 MB"):
        workers_for(wide, COSTS, max_memory_mb=1500)


def test_by_default_little_memory_is_taken_and_half_of_what_is_free_at_most(monkeypatch):
    assert default_budget_mb(16_000, 2) == default_budget_mb(16_000, 4) == 1500
    assert default_budget_mb(64_000, 16) == 6000
    assert default_budget_mb(2000, 2) == 1000
    assert default_budget_mb(None, 16) == 2000
    # One window is run by default as long as it fits at all.
    monkeypatch.setattr(memory, "available_memory_mb", lambda: 2500.0)
    assert workers_for(PLAN, COSTS) == 1


@pytest.mark.parametrize(("bytes_per_pixel", "halo"), [(100, 16), (200, 64), (800, 32)])
def test_a_large_raster_costs_little_more_than_its_pixels_by_default(bytes_per_pixel, halo):
    side = window_for(bytes_per_pixel, halo=halo, divisor=32)
    assert plan_windows(10_000, 10_000, chip_size=side, halo=halo, divisor=32).overlap_overhead <= 1.21


@pytest.mark.parametrize(("width", "side"), [(2000, 1264), (40_000, 1264), (200_000, 1280), (500_000, 256)])
def test_a_very_wide_scene_has_smaller_windows_and_a_usual_one_has_not(width, side):
    found = window_for_width(1264, COSTS, width=width, halo=64, divisor=16)
    plan = plan_windows(1000, width, chip_size=found, halo=64, divisor=16)
    assert found <= side
    assert found >= 256
    assert found == 256 or planned_memory_mb(plan, COSTS) < 300 + 6000 + 1400

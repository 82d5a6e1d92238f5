import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overland.errors import UsageError
from overland.inference.plan import DEFAULT_CHIP_SIZE, plan_axis, plan_windows, round_up

lengths = st.integers(1, 700)
halos = st.integers(0, 20)
divisors = st.sampled_from([1, 8, 32])


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(48, 200), halo=halos, divisor=divisors)
def test_the_weights_of_all_windows_add_up_to_one_at_every_pixel(length, chip, halo, divisor):
    axis = plan_axis(length, round_up(chip, divisor), halo, divisor)
    total = np.zeros(length)
    for index in range(axis.count):
        first, end = axis.span(index)
        weights = axis.weights(index)
        assert (weights >= 0).all()
        total[first:end] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(48, 200), halo=halos, divisor=divisors)
def test_every_window_sees_its_span_with_half_a_halo_to_spare(length, chip, halo, divisor):
    axis = plan_axis(length, round_up(chip, divisor), halo, divisor)
    assert axis.chip % divisor == 0
    assert axis.chip <= round_up(chip, divisor)
    for index in range(axis.count):
        first, end = axis.span(index)
        assert 0 <= first < end <= length
        assert first - axis.start(index) >= halo - axis.ramp
        assert axis.start(index) + axis.chip - end >= halo - axis.ramp


@given(length=lengths, chip=st.integers(48, 200), halo=halos)
def test_cores_cover_the_axis_once_with_no_window_more_than_needed(length, chip, halo):
    axis = plan_axis(length, chip, halo, 1)
    assert sum(axis.core_length(index) for index in range(axis.count)) == length
    assert all(axis.core_length(index) > 0 for index in range(axis.count))
    assert axis.count == -(-length // (chip - 2 * halo))


def test_a_raster_that_fits_is_one_window_as_small_as_the_divisor_allows():
    plan = plan_windows(100, 60, chip_size=1024, halo=4, divisor=16)
    assert plan.windows == 1
    assert (plan.rows.chip, plan.cols.chip) == (112, 80)


def test_windows_shrink_to_what_the_raster_needs():
    plan = plan_windows(2100, 2100, chip_size=1100, halo=32, divisor=4)
    assert plan.windows == 9
    assert plan.rows.chip == 764  # 2100 / 3 + 64, not 1100
    assert plan.redundancy == pytest.approx(9 * 764**2 / 2100**2)


def test_a_large_raster_costs_little_more_than_its_pixels_by_default():
    plan = plan_windows(10_000, 10_000, chip_size=DEFAULT_CHIP_SIZE, halo=32, divisor=32)
    assert plan.redundancy <= 1.15
    assert plan.windows == 49


def test_a_window_grid_of_any_raster_is_planned_without_its_pixels():
    plan = plan_windows(400_000, 400_000, chip_size=1024, halo=32, divisor=32)
    assert plan.megapixels == 160_000
    assert plan.windows == 417**2


def test_progress_adds_up_to_the_megapixels():
    plan = plan_windows(300, 500, chip_size=128, halo=8, divisor=32)
    done = sum(plan.core_megapixels(row, col) for row in range(plan.rows.count) for col in range(plan.cols.count))
    assert done == pytest.approx(plan.megapixels)


def test_the_chip_size_is_rounded_up_to_the_divisor():
    assert plan_windows(500, 500, chip_size=100, halo=0, divisor=32).rows.chip <= 128
    assert round_up(100, 32) == 128
    assert round_up(128, 32) == 128


def test_a_chip_that_is_all_halo_is_refused_with_one_that_works():
    with pytest.raises(UsageError, match="--chip-size 128"):
        plan_windows(500, 500, chip_size=64, halo=32, divisor=32)
    plan_windows(500, 500, chip_size=128, halo=32, divisor=32)


@pytest.mark.parametrize(("chip_size", "halo"), [(0, 0), (-1, 0), (64, -1)])
def test_sizes_that_make_no_sense_are_refused(chip_size, halo):
    with pytest.raises(UsageError, match="makes no sense"):
        plan_windows(10, 10, chip_size=chip_size, halo=halo, divisor=8)


def test_the_ramp_lies_in_the_inner_half_of_the_halo():
    axis = plan_axis(200, 120, 10, 1)
    weights = axis.weights(0)
    border = axis.stride
    assert (weights[: border - axis.ramp] == 1).all()
    assert weights[border - 1] > 0.5 > weights[border]
    assert axis.span(0)[1] == border + axis.ramp

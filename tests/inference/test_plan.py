import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overland.errors import UsageError
from overland.geo.grid import Window
from overland.inference.plan import plan_axis, plan_windows, round_up

lengths = st.integers(1, 700)
halos = st.integers(0, 20)
divisors = st.sampled_from([1, 8, 32])


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(80, 200), halo=halos, divisor=divisors)
def test_the_weights_of_all_windows_add_up_to_one_at_every_pixel(length, chip, halo, divisor):
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=divisor).rows
    total = np.zeros(length)
    for index in range(axis.count):
        first, end = axis.span(index)
        weights = axis.weights(index)
        assert (weights >= 0).all()
        total[first:end] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(80, 200), halo=halos, divisor=divisors)
def test_every_window_sees_its_span_with_half_a_halo_to_spare(length, chip, halo, divisor):
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=divisor).rows
    assert axis.chip % divisor == 0
    assert axis.chip <= round_up(chip, divisor)
    for index in range(axis.count):
        first, end = axis.span(index)
        assert 0 <= first < end <= length
        assert first - axis.start(index) >= halo - axis.ramp
        assert axis.start(index) + axis.chip - end >= halo - axis.ramp


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(80, 200), halo=halos, divisor=divisors, shift=st.floats(0, 0.999))
def test_moved_windows_cover_the_axis_once_with_weights_that_add_up_to_one(length, chip, halo, divisor, shift):
    still = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=divisor).rows
    offset = int(shift * still.stride)
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=divisor, offset=(offset, 0)).rows
    assert (axis.chip, axis.stride) == (still.chip, still.stride)
    total, alone = np.zeros(length), np.zeros(length, int)
    for index in range(axis.count):
        assert axis.start(index) == still.start(index) - offset
        first, end = axis.span(index)
        total[first:end] += axis.weights(index)
        alone[slice(*axis.core(index))] += 1
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (alone == 1).all()


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(48, 200), halo=halos, shift=st.floats(0, 0.999))
def test_where_a_window_is_alone_its_weight_is_one_and_no_other_reaches(length, chip, halo, shift):
    stride = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=8).rows.stride
    offset = (int(shift * stride), 0)
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=8, offset=offset).rows
    reached = np.zeros(length, int)
    for index in range(axis.count):
        reached[slice(*axis.span(index))] += 1
    for index in range(axis.count):
        first, end = axis.alone(index)
        if first < end:
            start, _ = axis.span(index)
            assert (axis.weights(index)[first - start : end - start] == 1).all()
            assert (reached[first:end] == 1).all()


@settings(max_examples=200, deadline=None)
@given(length=lengths, chip=st.integers(48, 200), halo=halos, shift=st.floats(0, 0.999), data=st.data())
def test_windows_touch_a_part_when_their_span_meets_it(length, chip, halo, shift, data):
    stride = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=8).rows.stride
    offset = (int(shift * stride), 0)
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=8, offset=offset).rows
    first = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(first + 1, length))
    spans = [axis.span(index) for index in range(axis.count)]
    meeting = [index for index, (low, high) in enumerate(spans) if low < end and high > first]
    assert list(axis.touching(first, end)) == meeting


@given(length=lengths, chip=st.integers(48, 200), halo=halos)
def test_cores_cover_the_axis_once_with_no_window_more_than_needed(length, chip, halo):
    axis = plan_windows(length, 1, chip_size=chip, halo=halo, divisor=1).rows
    assert sum(end - first for first, end in map(axis.core, range(axis.count))) == length
    assert all(first < end for first, end in map(axis.core, range(axis.count)))
    assert axis.count == -(-length // (chip - 2 * halo))


def test_a_raster_that_fits_is_one_window_as_small_as_the_divisor_allows():
    plan = plan_windows(100, 60, chip_size=1024, halo=4, divisor=16)
    assert plan.windows == 1
    assert (plan.rows.chip, plan.cols.chip) == (128, 80)


def test_windows_shrink_to_what_the_raster_needs():
    plan = plan_windows(2100, 2100, chip_size=1100, halo=32, divisor=4)
    assert plan.windows == 9
    assert plan.rows.chip == 764  # 2100 / 3 + 64, not 1100
    assert plan.overlap_overhead == pytest.approx(9 * 764**2 / 2100**2)


def test_a_large_raster_costs_little_more_than_its_pixels_by_default():
    plan = plan_windows(10_000, 10_000, chip_size=1536, halo=32, divisor=32)
    assert plan.overlap_overhead <= 1.15
    assert plan.windows == 49


def test_a_window_grid_of_any_raster_is_planned_without_its_pixels():
    plan = plan_windows(400_000, 400_000, chip_size=1024, halo=32, divisor=32)
    assert plan.megapixels == 160_000
    assert plan.windows == 417**2


def test_windows_follow_each_other_at_multiples_of_the_divisor():
    # Else a network that halves its pixels would halve others in the next window, and seams would show.
    plan = plan_windows(2000, 2000, chip_size=300, halo=20, divisor=32)
    assert plan.rows.halo == 32
    assert plan.rows.stride % 32 == 0
    assert plan_windows(2000, 2000, chip_size=300, halo=0, divisor=32).rows.halo == 0


def test_the_windows_of_a_part_are_counted():
    plan = plan_windows(1000, 1000, chip_size=116, halo=8, divisor=1)
    assert plan.windows == plan.windows_touching(Window(col_off=0, row_off=0, width=1000, height=1000)) == 100
    assert plan.windows_touching(Window(col_off=210, row_off=10, width=50, height=50)) == 1
    assert plan.windows_touching(Window(col_off=290, row_off=10, width=20, height=50)) == 2


@pytest.mark.parametrize("offset", [(-1, 0), (0, 100), (100, 0)])
def test_an_offset_of_a_stride_or_more_is_refused(offset):
    with pytest.raises(UsageError, match="within 0 and the stride of 100"):
        plan_windows(1000, 1000, chip_size=116, halo=8, divisor=1, offset=offset)


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
    axis = plan_axis(200, 2, 10, 1)
    weights = axis.weights(0)
    border = axis.stride
    assert (weights[: border - axis.ramp] == 1).all()
    assert weights[border - 1] > 0.5 > weights[border]
    assert axis.span(0)[1] == border + axis.ramp
    # Half of the halo, no less: a ramp of a third would leave rows of the halo that could have been used.
    assert axis.ramp == 5
    assert [index for index, weight in enumerate(weights) if 0 < weight < 1] == list(range(border - 5, border + 5))


def test_the_weights_of_the_ramp_are_a_squared_sine():
    axis = plan_axis(400, 2, 32, 1)
    first, _ = axis.span(1)
    weights = axis.weights(1)[: 2 * axis.ramp]
    places = (np.arange(32) + 0.5) / 32
    assert (first, axis.ramp) == (axis.stride - 16, 16)
    np.testing.assert_allclose(weights, np.sin(np.pi / 2 * places) ** 2, atol=1e-6)

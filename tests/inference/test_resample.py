import numpy as np
import pytest

from overland.inference.resample import AxisResampling, Resampling, resample
from overland.raster import Window

RNG = np.random.default_rng(5)
SIZES = [(8, 4), (8, 3), (9, 4), (4, 8), (5, 9), (7, 7), (100, 13), (13, 100), (3, 1), (1, 3)]


def square(length, size):
    return Resampling(AxisResampling(length, size), AxisResampling(length, size))


def resampled(resampling, values, valid=None, window=None):
    valid = np.ones(values.shape[1:], bool) if valid is None else valid
    window = window or resampling.bounds
    seen = resampling.needed(window)
    return resample(resampling, window, values[:, *seen.slices], valid[seen.slices], seen)


def test_fewer_pixels_are_means_over_the_ground_that_each_covers():
    values = np.array([[[0, 4, 8, 12, 16, 20]]], np.float32)
    half = Resampling(AxisResampling(1, 1), AxisResampling(6, 3))
    assert resampled(half, values)[0].tolist() == [[[2, 10, 18]]]
    quarter = Resampling(AxisResampling(1, 1), AxisResampling(6, 4))
    # A new pixel covers one old one and a half: (0 + 4/2) / 1.5, (4/2 + 8) / 1.5, ...
    np.testing.assert_allclose(resampled(quarter, values)[0], [[[4 / 3, 20 / 3, 40 / 3, 56 / 3]]], rtol=1e-6)


def test_more_pixels_are_interpolated_between_the_centres():
    values = np.array([[[0, 8]]], np.float32)
    assert resampled(Resampling(AxisResampling(1, 1), AxisResampling(2, 4)), values)[0].tolist() == [[[0, 2, 6, 8]]]


@pytest.mark.parametrize(("length", "size"), SIZES)
def test_weights_add_up_to_one_and_fall_on_what_is_said_to_be_needed(length, size):
    axis = AxisResampling(length, size)
    for first in range(size):
        for end in range(first + 1, size + 1):
            indices, weights = axis.taps(first, end)
            np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
            used = indices[weights > 0]
            low, high = axis.needed(first, end)
            assert low <= used.min()
            assert used.max() < high


@pytest.mark.parametrize(("length", "size"), SIZES)
def test_a_plane_stays_a_plane_away_from_the_edge(length, size):
    values = np.arange(length, dtype=np.float32)[None, None].repeat(length, axis=1)
    made = resampled(square(length, size), values)[0][0, 0]
    expected = (np.arange(size) + 0.5) * length / size - 0.5
    inner = (expected >= 0) & (expected <= length - 1)
    # A mean over parts of pixels takes each of them as flat.
    exact = size >= length or length % size == 0
    np.testing.assert_allclose(made[inner], expected[inner], atol=1e-4 if exact else 0.13)


@pytest.mark.parametrize(("length", "size"), SIZES)
def test_a_pixel_is_the_same_bits_in_every_window(length, size):
    resampling = square(length, size)
    values = RNG.normal(size=(2, length, length)).astype(np.float32)
    valid = RNG.random((length, length)) > 0.1
    valid[: length // 2] = True
    whole, covered = resampled(resampling, values, valid)
    for _ in range(10):
        row, col = RNG.integers(0, size, 2)
        window = Window(
            col_off=int(col),
            row_off=int(row),
            width=int(RNG.integers(1, size - col + 1)),
            height=int(RNG.integers(1, size - row + 1)),
        )
        part, part_covered = resampled(resampling, values, valid, window)
        np.testing.assert_array_equal(part_covered, covered[window.slices])
        np.testing.assert_array_equal(part[:, part_covered], whole[:, *window.slices][:, part_covered])


@pytest.mark.parametrize(("length", "size"), SIZES)
def test_missing_data_do_not_mix_with_what_there_is(length, size):
    valid = RNG.random((length, length)) > 0.4
    values = np.where(valid, 50, np.nan).astype(np.float32)[None]
    made, covered = resampled(square(length, size), values, valid)
    np.testing.assert_allclose(made[0, covered], 50, rtol=1e-4)
    # Every pixel with data can be found again from the new ones.
    _, back = resampled(square(length, size).reversed, made, covered)
    assert back[valid].all()


@pytest.mark.parametrize(("length", "size"), SIZES)
def test_what_a_window_touches_holds_what_it_is_made_of(length, size):
    axis = AxisResampling(length, size)
    for first in range(length):
        low, high = axis.covering(first, first + 1)
        assert low * length / size <= first
        assert high * length / size >= first + 1

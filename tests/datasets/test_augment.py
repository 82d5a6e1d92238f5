import math

import numpy as np
import pytest

pytest.importorskip("cv2")

from overland.datasets.augment import Augmentation, chip_matrix, color_matrix, cut_chip

RNG = np.random.default_rng


def gradient(height, width):
    """Bands that hold the pixel's own x and y, so that a chip tells where it was cut."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], axis=2)


def test_without_augmentation_a_chip_is_a_plain_cut():
    image, target = gradient(100, 120), np.arange(12000, dtype=np.uint16).reshape(100, 120).astype(np.uint8)
    matrix = chip_matrix(RNG(0), Augmentation(), 100, 120, 32)
    matrix[:, 2] = np.round(matrix[:, 2])
    chip, mask = cut_chip(image, target, matrix, 32)
    left, top = matrix[:, 2].astype(int)
    np.testing.assert_array_equal(chip, image[top : top + 32, left : left + 32])
    np.testing.assert_array_equal(mask, target[top : top + 32, left : left + 32])


def test_image_and_mask_move_together():
    image = gradient(200, 200)
    target = (image[:, :, 0] > 100).astype(np.uint8)
    everything = Augmentation(fliplr=True, flipud=True, rotate=180, scale=2)
    for seed in range(10):
        chip, mask = cut_chip(image, target, chip_matrix(RNG(seed), everything, 200, 200, 64), 64)
        x = chip[:, :, 0]
        sure = np.abs(x - 100.5) > 1
        np.testing.assert_array_equal(mask[sure], (x > 100)[sure])


def test_scale_and_angle_are_within_their_limits():
    for seed in range(50):
        linear = chip_matrix(RNG(seed), Augmentation(rotate=30, scale=1.5), 300, 300, 64)[:, :2]
        zoom = 1 / math.sqrt(np.linalg.det(linear))
        assert 1 / 1.5 <= zoom <= 1.5
        assert abs(math.degrees(math.atan2(linear[1, 0], linear[0, 0]))) <= 30


def test_an_upright_chip_stays_inside_the_image():
    for seed in range(50):
        matrix = chip_matrix(RNG(seed), Augmentation(), 70, 300, 64)
        corners = np.array([[0, 0, 1], [63, 63, 1]]) @ matrix.T
        assert corners.min() >= 0
        assert (corners[1] <= [299, 69]).all()


def test_an_image_smaller_than_the_chip_is_mirrored_at_its_border():
    chip, mask = cut_chip(
        gradient(20, 30), np.ones((20, 30), np.uint8), chip_matrix(RNG(0), Augmentation(), 20, 30, 64), 64
    )
    assert chip.shape == (64, 64, 2)
    assert chip[:, :, 0].max() <= 29
    assert (mask == 1).all()


def test_any_number_of_bands():
    image = np.repeat(gradient(64, 64)[:, :, :1], 9, axis=2).astype(np.uint16)
    chip, _ = cut_chip(
        image, np.zeros((64, 64), np.uint8), chip_matrix(RNG(1), Augmentation(rotate=90), 64, 64, 32), 32
    )
    assert chip.shape == (32, 32, 9)
    assert chip.dtype == np.uint16
    np.testing.assert_array_equal(chip[:, :, 0], chip[:, :, 8])


def test_one_band_stays_an_array_with_bands():
    chip, _ = cut_chip(
        gradient(64, 64)[:, :, :1], np.zeros((64, 64), np.uint8), chip_matrix(RNG(1), Augmentation(), 64, 64, 32), 32
    )
    assert chip.shape == (32, 32, 1)


def test_ids_are_never_interpolated():
    target = np.where(np.arange(64) < 32, 0, 200).astype(np.uint8)[None].repeat(64, axis=0)
    _, mask = cut_chip(gradient(64, 64), target, chip_matrix(RNG(3), Augmentation(rotate=180, scale=2), 64, 64, 64), 64)
    assert set(np.unique(mask)) <= {0, 200}


def test_colour_of_strength_zero_changes_nothing():
    matrix, offset = color_matrix(RNG(0), 0.0, 3)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-7)
    np.testing.assert_array_equal(offset, np.zeros(3))


def test_colour_changes_stay_within_their_strength():
    for seed in range(50):
        matrix, offset = color_matrix(RNG(seed), 0.2, 3)
        # A grey pixel keeps its hue, its contrast changes by at most a fifth.
        np.testing.assert_allclose(matrix @ np.ones(3), (matrix @ np.ones(3))[0], rtol=1e-5)
        assert 0.8 <= (matrix @ np.ones(3))[0] <= 1.2
        assert np.abs(offset).max() <= 0.2 * 1.2


def test_a_chip_can_be_shrunk_less_than_it_is_enlarged():
    zooms = [
        1
        / math.sqrt(abs(np.linalg.det(chip_matrix(RNG(seed), Augmentation(scale=3, shrink=1.5), 300, 300, 64)[:, :2])))
        for seed in range(200)
    ]
    assert 1 / 1.5 <= min(zooms) < 0.75
    assert 2.5 < max(zooms) <= 3


def test_a_shrunk_chip_is_the_mean_of_the_pixels_below_it():
    stripes = np.zeros((128, 128, 1), np.uint8)
    stripes[:, ::2] = 200
    halved = np.array([[2.0, 0, 0.5], [0, 2.0, 0.5]])
    chip, mask = cut_chip(stripes, np.zeros((128, 128), np.uint8), halved, 32)
    # One pixel in two would be all bright or all dark.
    assert np.ptp(chip[2:-2, 2:-2].astype(int)) <= 2
    assert abs(int(chip[16, 16, 0]) - 100) <= 2
    assert mask.shape == (32, 32)


def test_a_shrunk_chip_lies_where_the_matrix_says():
    image = gradient(200, 200)
    for factor in (2.0, 3.0, 2.6):
        matrix = np.array([[factor, 0, 20.0], [0, factor, 30.0]])
        chip, _ = cut_chip(image, np.zeros((200, 200), np.uint8), matrix, 40)
        np.testing.assert_allclose(chip[10, 12], [20 + 12 * factor, 30 + 10 * factor], atol=0.06)

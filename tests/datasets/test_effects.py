import numpy as np
import pytest

pytest.importorskip("cv2")

from overland.datasets.effects import camera_effects

RNG = np.random.default_rng
CHIP = RNG(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)


def test_no_strength_no_change():
    assert camera_effects(RNG(0), CHIP, 0) is CHIP


@pytest.mark.parametrize("bands", [1, 3, 4, 9])
def test_any_number_of_bands_keeps_shape_and_type(bands):
    chip = RNG(1).integers(0, 256, (40, 56, bands), dtype=np.uint8)
    for seed in range(30):
        changed = camera_effects(RNG(seed), chip, 1)
        assert changed.shape == chip.shape
        assert changed.dtype == np.uint8


def test_the_same_state_gives_the_same_chip_and_another_a_different_one():
    np.testing.assert_array_equal(camera_effects(RNG(5), CHIP, 0.7), camera_effects(RNG(5), CHIP, 0.7))
    assert (camera_effects(RNG(5), CHIP, 0.7) != camera_effects(RNG(6), CHIP, 0.7)).any()


def test_a_weaker_effect_stays_nearer_to_the_chip():
    def distance(strength):
        changed = [camera_effects(RNG(seed), CHIP, strength).astype(float) for seed in range(60)]
        return np.mean([np.abs(each - CHIP).mean() for each in changed])

    assert distance(0.1) < distance(0.4) < distance(1)


def test_what_was_bright_stays_brighter_than_what_was_dark_and_in_its_place():
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = 60, 180
    for seed in range(60):
        changed = camera_effects(RNG(seed), halves, 1).astype(float).mean(axis=2)
        assert np.median(changed[:, :28]) < np.median(changed[:, 36:])

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from made_sets import real_data
from overland.datasets import read_dataset, read_sample
from overland.datasets.check.shift import Offset, check_shift, correlations, estimate_offset

VALID = np.ones((128, 128), bool)


def made_pair(seed: int, right: int = 0, down: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Blobs that are brighter than a textured ground, and their mask moved by whole pixels."""
    rng = np.random.default_rng(seed)
    mask = (ndimage.gaussian_filter(rng.normal(size=(160, 160)), 6) > 0.02).astype(np.uint8)
    image = 90 + 40 * mask + 12 * rng.normal(size=(3, 160, 160))
    moved = np.roll(mask, (down, right), (0, 1))
    return image[:, 16:144, 16:144].astype(np.uint8), moved[16:144, 16:144]


def offset_of(right: int, down: int) -> Offset | None:
    evidence = []
    for seed in range(8):
        image, mask = made_pair(seed, right, down)
        evidence += correlations(image, mask, VALID)
    return estimate_offset(evidence)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (5, -3), (-2, 0), (12, 9)])
def test_the_offset_of_moved_labels_is_found_to_the_pixel(right: int, down: int) -> None:
    offset = offset_of(right, down)
    assert offset is not None
    assert (offset.right, offset.down) == (right, down)
    assert offset.is_sure


def test_a_shift_is_reported_with_its_direction() -> None:
    issues = check_shift(offset_of(5, -3))
    assert [(issue.code, issue.severity) for issue in issues] == [("shifted-labels", "warning")]
    assert "(5, -3) pixels: 5 px to the right, 3 px up" in issues[0].message
    assert "by (-5, 3)" in issues[0].message


@pytest.mark.parametrize(("right", "down"), [(0, 0), (1, 1)])
def test_less_than_two_pixels_is_not_reported(right: int, down: int) -> None:
    assert check_shift(offset_of(right, down)) == []


def test_labels_that_have_nothing_to_do_with_the_image_are_no_evidence() -> None:
    evidence = []
    for seed in range(12):
        evidence += correlations(made_pair(seed)[0], made_pair(seed + 100)[1], VALID)
    assert check_shift(estimate_offset(evidence)) == []


def test_one_image_is_not_enough() -> None:
    assert estimate_offset(correlations(*made_pair(0), VALID)) is None


def test_a_mask_without_borders_gives_nothing() -> None:
    image, mask = made_pair(0)
    assert correlations(image, np.zeros_like(mask), VALID) == []
    mask[mask == 0] = 255
    assert correlations(image, mask, VALID) == []


def real_offset(name: str, right: int, down: int) -> Offset | None:
    dataset = read_dataset(real_data() / name)
    samples = [sample for split in ("train", "val") for sample in dataset.splits[split]]
    evidence = []
    for sample in samples[:: max(1, len(samples) // 100)]:
        image, target, valid = read_sample(dataset, sample)
        evidence += correlations(image, np.roll(target, (down, right), (0, 1)), valid)
    return estimate_offset(evidence)


@pytest.mark.real
@pytest.mark.parametrize("name", ["roads-massachusetts", "camvid"])
def test_real_labels_moved_by_5_and_3_pixels_are_found(name: str) -> None:
    offset = real_offset(name, 5, -3)
    assert offset is not None
    assert offset.is_sure
    assert np.hypot(offset.right - 5, offset.down + 3) <= 1


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    ["roads-massachusetts", "roads-epfl", "roads-cil", "camvid", "deepglobe-road", "deepglobe-landcover"],
)
def test_real_labels_in_their_place_are_not_reported(name: str) -> None:
    assert check_shift(real_offset(name, 0, 0)) == []

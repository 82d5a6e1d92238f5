from __future__ import annotations

import numpy as np
import pytest

from overland.datasets.masks import undeclared_fill

VALID = np.ones((16, 16), bool)


def image_with(fill: float, dtype: str, low: float, high: float) -> np.ndarray:
    pixels = np.random.default_rng(0).uniform(low, high, (3, 16, 16)).astype(dtype)
    pixels[:, :2] = fill
    return pixels


@pytest.mark.parametrize(
    ("fill", "dtype", "low", "high"),
    [(-9999, "float32", 0, 1), (-9999, "int16", 0, 4000), (-32768, "int16", 0, 10000), (-3e38, "float32", 250, 320)],
)
def test_a_number_far_from_all_others_is_a_fill(fill: float, dtype: str, low: float, high: float) -> None:
    found = undeclared_fill(image_with(fill, dtype, low, high), VALID)
    assert found == np.asarray(fill, dtype)


@pytest.mark.parametrize(
    ("fill", "dtype", "low", "high"),
    [(0, "uint16", 200, 4000), (-3, "float32", 0, 1), (-9999, "int16", -12000, 12000), (10, "float32", 30, 30)],
)
def test_a_measurement_is_none(fill: float, dtype: str, low: float, high: float) -> None:
    assert undeclared_fill(image_with(fill, dtype, low, high), VALID) is None


def test_what_is_declared_is_not_looked_at() -> None:
    pixels = image_with(-9999, "float32", 0, 1)
    assert undeclared_fill(pixels, (pixels != -9999).all(axis=0)) is None

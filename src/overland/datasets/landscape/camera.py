"""The camera over a made landscape: season and sun drawn for each scene, and the way from light to bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from overland.datasets.landscape.cover import bands
from overland.datasets.landscape.relief import Sun

__all__ = ["Look", "develop", "draw_look", "shade"]

Array = NDArray[np.float32]
_LEAVES = np.array([
    [0.29, 0.37, 0.19], [0.25, 0.33, 0.17], [0.33, 0.40, 0.20], [0.22, 0.30, 0.17],
    [0.17, 0.25, 0.17], [0.36, 0.39, 0.22],
])  # fmt: skip
_AUTUMN = np.array([[0.50, 0.38, 0.18], [0.42, 0.36, 0.18], [0.55, 0.46, 0.22], [0.34, 0.35, 0.18]])
_SKYLIGHT = (0.40, 0.44, 0.54)
_HAZE = (0.66, 0.70, 0.76)


@dataclass(frozen=True)
class Look:
    """What makes scenes of one kind differ: season, sun, the colours of leaves (species, 3), air and exposure."""

    season: str
    sun: Sun
    leaves: NDArray[np.float64]
    tint: NDArray[np.float64]
    exposure: float
    haze: float
    blur_px: float
    noise: float


def draw_look(rng: np.random.Generator) -> Look:
    """Draw season, sun and camera of a scene; the sun stands in the south, between late morning and afternoon."""
    season = str(rng.choice(["spring", "summer", "harvest", "autumn"], p=[0.28, 0.3, 0.27, 0.15]))
    leaves = _LEAVES * rng.uniform(0.88, 1.1) * (1 + rng.normal(0, 0.03, 3))
    if season == "autumn":
        leaves[: len(_AUTUMN)] += rng.uniform(0.25, 0.7) * (_AUTUMN - leaves[: len(_AUTUMN)])
    return Look(
        season=season,
        sun=Sun(math.radians(rng.uniform(35, 145)), math.radians(rng.uniform(36, 56))),
        leaves=leaves,
        tint=1 + rng.normal(0, 0.025, 3),
        exposure=rng.uniform(0.98, 1.2),
        haze=rng.uniform(0.0, 0.13),
        blur_px=rng.uniform(0.5, 0.75),
        noise=rng.uniform(0.006, 0.014),
    )


def shade(image: Array, shadow: NDArray[np.bool_]) -> None:
    """Darken what lies in shadow to what the blue sky still lights, in place; the shadow's rim is soft."""
    for rows in bands(image.shape[1]):
        soft = ndimage.uniform_filter(shadow[rows].astype(np.float32), 2)
        for band, sky in enumerate(_SKYLIGHT):
            image[band, rows] *= 1 - soft * np.float32(1 - sky)


def develop(rng: np.random.Generator, image: Array, broad: Array, look: Look) -> NDArray[np.uint8]:
    """Light to bytes, (3, height, width): uneven light, haze, lens blur, exposure and sensor noise."""
    pixels = np.empty(image.shape, dtype=np.uint8)
    for band in range(3):
        blurred = ndimage.gaussian_filter(image[band], look.blur_px, mode="nearest", truncate=3.0)
        gain = np.float32(look.exposure * look.tint[band])
        air = np.float32(look.haze * _HAZE[band])
        for rows in bands(image.shape[1]):
            lit = blurred[rows] * gain * (1 + np.float32(0.025) * broad[rows]) * np.float32(1 - look.haze) + air
            lit += np.float32(look.noise) * rng.standard_normal(lit.shape, dtype=np.float32)
            pixels[band, rows] = np.clip(lit * 255 + 0.5, 0, 255)
    return pixels

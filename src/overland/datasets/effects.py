"""Effects of another sky, camera or file format on an image, drawn anew for each training chip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import import_extra

__all__ = ["camera_effects"]

Pixels = npt.NDArray[np.uint8]

_HIGHEST = 255.0
_SHADOWS = 4
_WORST_JPEG, _BEST_JPEG = 25, 90


def camera_effects(rng: np.random.Generator, chip: Pixels, strength: float) -> Pixels:
    """Draw a tone curve, haze, shadows, blur or sharpening, noise and JPEG artefacts for a chip.

    Each comes with its own chance, so that some chips stay almost as they are. Labels are untouched: nothing moves.

    Args:
        rng: The source of chance; the same state gives the same chip.
        chip: 8-bit pixels (height, width, bands).
        strength: How far the effects go, from 0 (none) to 1 (as far as imagery that people still map from).

    Returns:
        A new chip of the same shape and type.

    Raises:
        MissingExtraError: Without OpenCV.
    """
    if strength <= 0:
        return chip
    cv2 = import_extra("cv2", "train", "Augmentation")
    bands = chip.shape[2]
    pixels = np.stack([_tone_curve(rng, strength)[chip[:, :, band]] for band in range(bands)], axis=2)
    if rng.random() < 0.5:
        # The same curve in all bands goes further than one in each, which also turns the colour.
        pixels = np.asarray(np.interp(pixels, np.arange(256), _tone_curve(rng, 2 * strength)), np.float32)
    if rng.random() < 0.4:
        pixels = _shaded(cv2, rng, pixels, strength)
    if rng.random() < 0.3:
        veil = rng.uniform(0, 0.5) * strength
        color = np.asarray(rng.uniform(140, 240, size=bands), np.float32)
        pixels = (1 - veil) * pixels + veil * color
    if rng.random() < 0.6:
        # Blurred, or sharpened as providers of imagery do it (the blur is taken away instead).
        sigma = rng.uniform(0.4, 0.4 + 1.4 * strength)
        blurred = cv2.GaussianBlur(np.asarray(pixels, np.float32), (0, 0), sigma).reshape(pixels.shape)
        amount = rng.uniform(0.3, 1.0) if rng.random() < 0.5 else -rng.uniform(0.3, 1.8) * strength
        pixels = np.asarray((1 - amount) * pixels + amount * blurred, np.float32)
    if rng.random() < 0.3:
        grain = rng.normal(size=(*chip.shape[:2], 1 if rng.random() < 0.5 else bands))
        pixels = pixels + np.asarray(rng.uniform(0, 12) * strength * grain, np.float32)
    result = np.clip(np.rint(pixels), 0, _HIGHEST).astype(np.uint8).reshape(chip.shape)
    if rng.random() >= 0.4:
        return result
    quality = int(rng.uniform(_BEST_JPEG - strength * (_BEST_JPEG - _WORST_JPEG), _BEST_JPEG))
    # Three bands lose some of their colour's detail too, as a photograph does; any other number goes band by band.
    groups = [result] if bands == 3 else np.split(result, bands, axis=2)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    coded = [cv2.imencode(".jpg", np.ascontiguousarray(group), options)[1] for group in groups]
    read = [cv2.imdecode(data, cv2.IMREAD_UNCHANGED).reshape(*chip.shape[:2], -1) for data in coded]
    return np.concatenate(read, axis=2)


def _tone_curve(rng: np.random.Generator, strength: float) -> npt.NDArray[np.float32]:
    """Draw the new value of each of the 256: a gamma, a gain, an offset and an S shape."""
    values = np.arange(256) / _HIGHEST
    gamma = math.exp(rng.uniform(-0.35, 0.35) * strength)
    bent = values**gamma
    bent = bent + rng.uniform(-0.08, 0.08) * strength * np.sin(2 * math.pi * bent)
    curve = bent * (1 + rng.uniform(-0.12, 0.12) * strength) + rng.uniform(-0.04, 0.04) * strength
    return np.asarray(_HIGHEST * np.clip(curve, 0, 1), np.float32)


def _shaded(cv2: Any, rng: np.random.Generator, pixels: Any, strength: float) -> npt.NDArray[np.float32]:
    """Quadrilaterals of shade with soft borders, as trees and houses throw them, a little bluer than the light."""
    height, width, bands = pixels.shape
    shade = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, _SHADOWS + 1)):
        center = rng.uniform(0, (width, height))
        reach = rng.uniform(0.03, 0.25) * max(height, width)
        angles = np.sort(rng.uniform(0, 2 * math.pi, 4))
        around = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.4, 1, (4, 1)) * reach
        cv2.fillPoly(shade, [np.rint(center + around).astype(np.int32)], 1.0)
    shade = cv2.GaussianBlur(shade, (0, 0), rng.uniform(0.5, 2.5))[:, :, None]
    kept = 1 - rng.uniform(0.2, 0.6) * strength * np.linspace(1, 0.85, bands)
    return np.asarray(pixels * (1 - shade * (1 - kept)), np.float32)

"""Made masks with noise, missing data, and ids that can be dealt out anew."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def land(seed: int, height: int = 90, width: int = 70, *, classes: int = 5, noise: float = 0.1) -> np.ndarray:
    """Patches of land of several classes with wrong pixels, and a corner and a spot without data."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=(height, width)), 5) for _ in range(classes)]
    mask = np.argmax(fields, axis=0).astype(np.uint8)
    wrong = rng.random(mask.shape) < noise
    mask[wrong] = rng.integers(0, classes, int(wrong.sum()))
    mask[: height // 5, : width // 4] = 255
    mask[height // 2 : height // 2 + 3, width // 2 : width // 2 + 4] = 255
    return mask


def renumbered(mask: np.ndarray, ids: list[int]) -> np.ndarray:
    """The mask with class 0 called `ids[0]`, class 1 `ids[1]` and so on; 255 stays."""
    table = np.full(256, 255, np.uint8)
    table[: len(ids)] = ids
    return table[mask]


def mask_from_text(*rows: str) -> np.ndarray:
    """A mask drawn with digits; `.` is 255, no data."""
    return np.array([[255 if sign == "." else int(sign) for sign in row] for row in rows], np.uint8)

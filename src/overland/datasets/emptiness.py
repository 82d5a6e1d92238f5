"""How much of an image holds nothing: nodata, or the black or white that stands for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["empty_share", "is_constant"]


def empty_share(pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> float:
    """Share of pixels that are nodata, or black or white in all bands, whichever of the two is the fill.

    `pixels` (bands, height, width), `valid` (height, width).
    """
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    black = ~valid | (pixels == 0).all(axis=0)
    white = ~valid | (pixels == top).all(axis=0)
    return max(float(black.mean()), float(white.mean()))


def is_constant(pixels: npt.NDArray[Any]) -> bool:
    """Whether each band holds one value everywhere."""
    return bool((pixels == pixels[:, :1, :1]).all())

"""Arrays as colours: images of any type and masks of any legend, for the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from overland.legend import Color, Legend

__all__ = ["FALSE_ALARM", "HIT", "MISSED", "WRONG", "colorize_mask", "display_rgb", "error_picture"]

Picture = npt.NDArray[np.uint8]

# Told apart by every reader, also in print: light, blue and orange.
HIT: Color = (250, 250, 250)
MISSED: Color = (64, 160, 255)
FALSE_ALARM: Color = (255, 128, 24)
WRONG: Color = (255, 128, 24)

_NO_DATA: Color = (236, 236, 238)
_STRIPES: tuple[Color, Color] = ((150, 150, 156), (176, 176, 182))


def display_rgb(pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Pixels (bands, height, width) of any type as uint8 (height, width, 3), for the eye.

    The first three bands are red, green and blue; fewer bands become grey. 8-bit pixels stay as they are; others are
    stretched per band from the 2nd to the 98th percentile of the pixels that hold data.
    """
    valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
    bands = pixels[:3] if len(pixels) >= 3 else pixels[:1]
    if bands.dtype != np.uint8:
        bands = np.stack([_stretched(band, valid) for band in bands])
    picture = np.array(np.broadcast_to(bands, (3, *bands.shape[1:])).transpose(1, 2, 0), order="C")
    picture[~valid] = _NO_DATA
    return picture


def colorize_mask(mask: npt.NDArray[Any], legend: Legend) -> Picture:
    """A mask of class ids (height, width) in the legend's colours; pixels without a class are striped grey."""
    table = np.zeros((256, 3), np.uint8)
    table[: legend.num_classes] = legend.colors
    picture: Picture = table[np.minimum(mask, 255).astype(np.uint8)]
    outside = mask >= legend.num_classes
    picture[outside] = _stripes(mask.shape)[outside]
    return picture


def error_picture(
    target: npt.NDArray[Any], mask: npt.NDArray[Any], legend: Legend, image: Picture | None = None
) -> Picture:
    """Where a mask is wrong, on a dimmed grey image (height, width, 3).

    With a binary legend what was found is white, what was missed blue, what was found in vain orange; with any other
    legend every wrong pixel is orange. Pixels without a label are striped grey.
    """
    picture = _dimmed(image) if image is not None else np.full((*target.shape, 3), 58, np.uint8)
    labelled = target != legend.ignore_index
    if legend.is_binary:
        picture[labelled & (target == 1) & (mask == 1)] = HIT
        picture[labelled & (target == 1) & (mask != 1)] = MISSED
        picture[labelled & (target == 0) & (mask == 1)] = FALSE_ALARM
    else:
        picture[labelled & (target != mask)] = WRONG
    picture[~labelled] = _stripes(target.shape)[~labelled] // 2
    return picture


def _stretched(band: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> Picture:
    values = band.astype(np.float32)
    seen = values[valid & np.isfinite(values)]
    if not seen.size:
        return np.zeros(band.shape, np.uint8)
    low, high = np.percentile(seen, [2, 98])
    scaled = (np.nan_to_num(values, nan=low) - low) / max(high - low, np.finfo(np.float32).tiny)
    stretched: Picture = np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return stretched


def _dimmed(image: Picture) -> Picture:
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat((24 + grey * 0.36).astype(np.uint8)[..., None], 3, axis=2)


def _stripes(shape: tuple[int, ...]) -> Picture:
    rows, cols = np.indices(shape[:2], sparse=True)
    period = max(4, min(shape[:2]) // 32)
    stripes: Picture = np.array(_STRIPES, np.uint8)[(rows + cols) // period % 2]
    return stripes

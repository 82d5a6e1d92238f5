"""Mask files as they are stored: their pixels, their palette, and the values and colours that they hold.

The fill of an image (nodata, or the black, white or far-off number that stands for it) is found here too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError
from overland.geo.grid import Grid, Window
from overland.legend import Color
from overland.raster.read import open_scene

__all__ = [
    "Labels",
    "Pixels",
    "RawMask",
    "Valid",
    "color_codes",
    "color_counts",
    "empty_fraction",
    "is_constant",
    "read_mask",
    "undeclared_fill",
    "unique_values",
    "value_counts",
]

Pixels = npt.NDArray[Any]
"""An image (bands, height, width) or, where said so, (height, width, bands), in the type of its file."""
Labels = npt.NDArray[np.uint8]
"""Class ids (height, width); 255 is no label."""
Valid = npt.NDArray[np.bool_]
"""True where an image holds data (height, width)."""

_NAN_AS = -32768
# Numbers that programs write where there are no data. They are believed where they lie half the other values' range
# away, and any number where it is a hundred times as large as all others.
_FILLS = (-999.0, -9999.0, -99999.0, -32767.0, -32768.0, -2147483648.0, 9999.0, 99999.0)
_FILL_DISTANCE, _FILL_RATIO = 0.5, 100.0
_LEAST_FILL = 0.001  # Fraction of the pixels.


@dataclass(frozen=True)
class RawMask:
    """A mask as stored.

    Attributes:
        path: The file.
        pixels: Whole numbers (bands, height, width); a grey mask saved as red, green, blue has one band here.
        palette: The colour of each value, where the file has a palette.
        nodata: The value that the file declares to mean "no label".
        grid: Size and place of the whole file.
        driver: GDAL's name of the format.
    """

    path: Path
    pixels: Pixels
    palette: dict[int, Color] | None
    nodata: int | None
    grid: Grid
    driver: str

    @property
    def has_colors(self) -> bool:
        """True where the pixels are colours, so that one band alone does not tell the class."""
        return len(self.pixels) >= 3

    def rgb(self) -> Pixels:
        """Return the colours in which the pixels are shown.

        Returns:
            Red, green and blue (3, height, width).
        """
        if self.palette is not None:
            table = np.zeros((max(256, max(self.palette) + 1), 3), np.uint8)
            for value, color in self.palette.items():
                table[value] = color
            return np.moveaxis(table[self.pixels[0]], -1, 0)
        return self.pixels[:3] if self.has_colors else np.repeat(self.pixels[:1], 3, axis=0)


def read_mask(path: str | Path, window: Window | None = None) -> RawMask:
    """Read a mask file.

    Args:
        path: The file.
        window: The part to read; all of it by default.

    Returns:
        The mask as stored.

    Raises:
        DataError: The file cannot be read, or holds fractions.
    """
    path = Path(path)
    with open_scene(path) as scene:
        pixels, _ = scene.read(window)
        nodata = scene.nodata
        palette, grid, driver = scene.palette, scene.grid, scene.driver
    if pixels.dtype.kind == "f":
        empty = ~np.isfinite(pixels)
        known = np.where(empty, 0, pixels)
        if (known != np.rint(known)).any() or np.abs(known).max() > np.iinfo(np.int32).max:
            raise DataError(
                f"{path} holds fractions or values beyond 32 bits, so it is no mask of classes. "
                "Are these probabilities? Decide the class of each pixel first and save whole numbers."
            )
        pixels = known.astype(np.int32)
        nodata = None if nodata is None or not np.isfinite(nodata) else nodata
        if empty.any():
            # A file has one value for "no label": NaN and the declared one become the same.
            if nodata is not None:
                empty |= known == nodata
            pixels[empty] = nodata = _NAN_AS
    if len(pixels) == 2 or (len(pixels) >= 3 and (pixels == pixels[:1]).all()):
        pixels = pixels[:1]
    return RawMask(path, pixels, palette, None if nodata is None else int(nodata), grid, driver)


def unique_values(band: Pixels) -> npt.NDArray[np.int64]:
    """Return the values that an array of whole numbers holds.

    Args:
        band: Whole numbers of any shape.

    Returns:
        The values, sorted.
    """
    if band.dtype == np.uint8:
        return np.flatnonzero(np.bincount(band.ravel(), minlength=256))
    return np.unique(band).astype(np.int64)


def value_counts(mask: RawMask) -> Counter[int]:
    """Count the pixels of the first band by their value.

    Args:
        mask: A mask.

    Returns:
        The number of pixels of each value that occurs.
    """
    if mask.pixels.dtype == np.uint8:
        counts = np.bincount(mask.pixels[0].ravel(), minlength=256)
        return Counter({int(value): int(counts[value]) for value in np.flatnonzero(counts)})
    values, counts = np.unique(mask.pixels[0], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def color_codes(rgb: Pixels) -> npt.NDArray[np.uint32]:
    """Return each colour as one number.

    Args:
        rgb: Colours (3, height, width).

    Returns:
        Numbers 0xRRGGBB (height, width).
    """
    red, green, blue = rgb.astype(np.uint32)
    return np.asarray((red << 16) | (green << 8) | blue, dtype=np.uint32)


def color_counts(mask: RawMask) -> Counter[Color]:
    """Count the pixels by their colour.

    Args:
        mask: A mask.

    Returns:
        The number of pixels of each colour that occurs.
    """
    codes, counts = np.unique(color_codes(mask.rgb()), return_counts=True)
    colors = [(code >> 16 & 255, code >> 8 & 255, code & 255) for code in codes.tolist()]
    return Counter(dict(zip(colors, counts.tolist(), strict=True)))


def empty_fraction(pixels: Pixels, valid: Valid) -> float:
    """Return the fraction of pixels that are nodata, or black or white in all bands, whichever of the two is the fill.

    Args:
        pixels: An image (bands, height, width).
        valid: Where it holds data (height, width).

    Returns:
        A fraction from 0 to 1.
    """
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    black = ~valid | (pixels == 0).all(axis=0)
    white = ~valid | (pixels == top).all(axis=0)
    return max(float(black.mean()), float(white.mean()))


def is_constant(pixels: Pixels) -> bool:
    """Tell whether each band holds one value everywhere.

    Args:
        pixels: An image (bands, height, width).

    Returns:
        True where it does.
    """
    return bool((pixels == pixels[:, :1, :1]).all())


def undeclared_fill(pixels: Pixels, valid: Valid) -> float | None:
    """Find a number such as -9999 that stands for "no data" and is not declared as such.

    It is the lowest or highest value, the same in all bands, of a signed or floating type, and far from all others:
    such a number is no measurement, and a mean that takes it in is worthless.

    Args:
        pixels: An image (bands, height, width).
        valid: Where it holds data (height, width).

    Returns:
        The number; None where there is none.
    """
    if pixels.dtype.kind not in "fi" or not valid.any():
        return None
    for extreme in (np.min, np.max):
        found = extreme(pixels[0][valid])
        is_fill = (pixels == found).all(axis=0) & valid
        rest = pixels[:, valid & ~is_fill]
        if not is_fill.any() or rest.size == 0 or is_fill.sum() < _LEAST_FILL * valid.sum():
            continue
        value, low, high = float(found), float(rest.min()), float(rest.max())
        is_far = min(abs(value - low), abs(value - high)) > _FILL_DISTANCE * (high - low)
        if (value in _FILLS and is_far) or abs(value) > _FILL_RATIO * max(abs(low), abs(high), 1.0):
            return value
    return None

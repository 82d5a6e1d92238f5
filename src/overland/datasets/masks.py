"""Mask files as they are stored: their pixels, their palette, and which values and colours they hold."""

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
    "RawMask",
    "color_codes",
    "color_counts",
    "empty_fraction",
    "is_constant",
    "read_mask",
    "unique_values",
    "value_counts",
]


_NAN_AS = -32768


@dataclass(frozen=True)
class RawMask:
    """A mask as stored: whole numbers (bands, height, width) and the palette by which they are shown, if any.

    A grey mask saved as red, green, blue has one band here. `nodata` is the value that the file declares to mean
    "no label".
    """

    path: Path
    pixels: npt.NDArray[Any]
    palette: dict[int, Color] | None
    nodata: int | None
    grid: Grid
    driver: str

    @property
    def has_colors(self) -> bool:
        """Whether the pixels are colours, so that one band alone does not tell the class."""
        return len(self.pixels) >= 3

    def rgb(self) -> npt.NDArray[Any]:
        """The pixels as the colours (3, height, width) in which they are shown."""
        if self.palette is not None:
            table = np.zeros((max(256, max(self.palette) + 1), 3), np.uint8)
            for value, color in self.palette.items():
                table[value] = color
            return np.moveaxis(table[self.pixels[0]], -1, 0)
        return self.pixels[:3] if self.has_colors else np.repeat(self.pixels[:1], 3, axis=0)


def read_mask(path: str | Path, window: Window | None = None) -> RawMask:
    """Read a mask file, or a window of it. Raises `DataError` when it cannot be read or holds fractions."""
    path = Path(path)
    with open_scene(path) as scene:
        pixels, _ = scene.read(window)
        nodata = scene.nodata
        palette, grid, driver = scene.palette, scene.grid, scene.driver
    if pixels.dtype.kind == "f":
        pixels, nodata = _whole_numbers(path, pixels, nodata)
    if len(pixels) == 2 or (len(pixels) >= 3 and (pixels == pixels[:1]).all()):
        pixels = pixels[:1]
    return RawMask(path, pixels, palette, None if nodata is None else int(nodata), grid, driver)


def unique_values(band: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The values of an array of whole numbers, sorted."""
    if band.dtype == np.uint8:
        return np.flatnonzero(np.bincount(band.ravel(), minlength=256))
    return np.unique(band).astype(np.int64)


def value_counts(mask: RawMask) -> Counter[int]:
    """How many pixels of the first band hold each value."""
    if mask.pixels.dtype == np.uint8:
        counts = np.bincount(mask.pixels[0].ravel(), minlength=256)
        return Counter({int(value): int(counts[value]) for value in np.flatnonzero(counts)})
    values, counts = np.unique(mask.pixels[0], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def color_codes(rgb: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Each colour (3, height, width) as one number, 0xRRGGBB."""
    red, green, blue = rgb.astype(np.uint32)
    return np.asarray((red << 16) | (green << 8) | blue, dtype=np.uint32)


def color_counts(mask: RawMask) -> Counter[Color]:
    """How many pixels have each colour."""
    codes, counts = np.unique(color_codes(mask.rgb()), return_counts=True)
    colors = [(code >> 16 & 255, code >> 8 & 255, code & 255) for code in codes.tolist()]
    return Counter(dict(zip(colors, counts.tolist(), strict=True)))


def _whole_numbers(
    path: Path, pixels: npt.NDArray[Any], nodata: float | None
) -> tuple[npt.NDArray[np.int32], float | None]:
    empty = ~np.isfinite(pixels)
    known = np.where(empty, 0, pixels)
    if (known != np.rint(known)).any() or np.abs(known).max() > np.iinfo(np.int32).max:
        raise DataError(
            f"{path} holds fractions or values beyond 32 bits, so it is no mask of classes. "
            "Are these scores? Decide the class of each pixel first and save whole numbers."
        )
    whole = known.astype(np.int32)
    if not empty.any():
        return whole, None if nodata is None or not np.isfinite(nodata) else nodata
    # A file has one value for "no label": NaN and the declared one become the same.
    if nodata is not None and np.isfinite(nodata):
        empty |= known == nodata
    whole[empty] = _NAN_AS
    return whole, _NAN_AS


# How much of an image holds nothing: nodata, or the black or white that stands for it.


def empty_fraction(pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> float:
    """Fraction of pixels that are nodata, or black or white in all bands, whichever of the two is the fill.

    `pixels` (bands, height, width), `valid` (height, width).
    """
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    black = ~valid | (pixels == 0).all(axis=0)
    white = ~valid | (pixels == top).all(axis=0)
    return max(float(black.mean()), float(white.mean()))


def is_constant(pixels: npt.NDArray[Any]) -> bool:
    """Whether each band holds one value everywhere."""
    return bool((pixels == pixels[:, :1, :1]).all())

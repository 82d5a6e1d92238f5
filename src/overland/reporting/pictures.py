"""Pictures for the eye: images, masks, probabilities and errors as colours, and rows of them with a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from overland.errors import UsageError
from overland.legend import Color, Legend
from overland.reporting.figures import save_picture

__all__ = [
    "FALSE_ALARM",
    "HIT",
    "MISSED",
    "WRONG",
    "PictureItem",
    "color_bar",
    "colorize_mask",
    "display_rgb",
    "error_picture",
    "heat_picture",
    "picture_grid",
    "write_pictures",
]


Picture = npt.NDArray[np.uint8]
"""Colours, (height, width, 3 or 4)."""

# Told apart by every reader, also in print: light, blue and orange.
HIT: Color = (250, 250, 250)
MISSED: Color = (64, 160, 255)
FALSE_ALARM: Color = (255, 128, 24)
WRONG: Color = (255, 128, 24)

_NO_DATA: Color = (236, 236, 238)
_STRIPES: tuple[Color, Color] = ((150, 150, 156), (176, 176, 182))


def display_rgb(pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Return pixels of any type as a picture.

    Args:
        pixels: (bands, height, width). The first three bands are red, green and blue; fewer bands become grey. 8-bit
            pixels stay as they are; others are stretched per band from the 2nd to the 98th percentile of the pixels
            that hold data.
        valid: Pixels that hold data (height, width); the others are light grey. None for all.

    Returns:
        uint8 (height, width, 3).
    """
    valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
    bands = pixels[:3] if len(pixels) >= 3 else pixels[:1]
    if bands.dtype != np.uint8:
        bands = np.stack([_stretched(band, valid) for band in bands])
    picture = np.array(np.broadcast_to(bands, (3, *bands.shape[1:])).transpose(1, 2, 0), order="C")
    picture[~valid] = _NO_DATA
    return picture


def colorize_mask(mask: npt.NDArray[Any], legend: Legend) -> Picture:
    """Return a mask in the legend's colours.

    Args:
        mask: Class ids (height, width); pixels without a class are striped grey.
        legend: The classes.

    Returns:
        uint8 (height, width, 3).
    """
    table = np.zeros((256, 3), np.uint8)
    table[: legend.num_classes] = legend.colors
    picture: Picture = table[np.minimum(mask, 255).astype(np.uint8)]
    outside = mask >= legend.num_classes
    picture[outside] = _stripes(mask.shape)[outside]
    return picture


def error_picture(
    truth: npt.NDArray[Any], mask: npt.NDArray[Any], legend: Legend, image: Picture | None = None
) -> Picture:
    """Return the errors of a mask as colours on a dimmed grey image.

    Args:
        truth: True class ids (height, width); ignored pixels are striped grey.
        mask: Predicted class ids (height, width).
        legend: The classes. With a binary legend pixels of class 1 that were found are white, missed ones blue, false
            alarms orange; with any other legend every wrong pixel is orange.
        image: The image (height, width, 3); None for plain grey.

    Returns:
        uint8 (height, width, 3).
    """
    picture = np.full((*truth.shape, 3), 58, np.uint8)
    if image is not None:
        grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        picture = np.repeat((24 + grey * 0.36).astype(np.uint8)[..., None], 3, axis=2)
    labelled = truth != legend.ignore_index
    if legend.is_binary:
        picture[labelled & (truth == 1) & (mask == 1)] = HIT
        picture[labelled & (truth == 1) & (mask != 1)] = MISSED
        picture[labelled & (truth == 0) & (mask == 1)] = FALSE_ALARM
    else:
        picture[labelled & (truth != mask)] = WRONG
    picture[~labelled] = _stripes(truth.shape)[~labelled] // 2
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


def _stripes(shape: tuple[int, ...]) -> Picture:
    rows, cols = np.indices(shape[:2], sparse=True)
    period = max(4, min(shape[:2]) // 32)
    stripes: Picture = np.array(_STRIPES, np.uint8)[(rows + cols) // period % 2]
    return stripes


# Lightness grows with the probability, so that the map can be read in grey as well.
_COLORS = "inferno"


def heat_picture(probabilities: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Return probabilities as colours, black at 0 to pale yellow at 1.

    Args:
        probabilities: 0 to 1 (height, width).
        valid: Pixels that hold data (height, width); the others are light grey. None for all.

    Returns:
        uint8 (height, width, 3).
    """
    picture: Picture = matplotlib.colormaps[_COLORS](probabilities, bytes=True)[..., :3].copy()
    if valid is not None:
        picture[~valid] = _NO_DATA
    return picture


def color_bar(width: int, height: int) -> Picture:
    """Return the colours of `heat_picture` from 0 on the left to 1 on the right.

    Args:
        width: Width in pixels.
        height: Height in pixels.

    Returns:
        uint8 (height, width, 3).
    """
    return heat_picture(np.broadcast_to(np.linspace(0, 1, width), (height, width)))


_CELL, _GAP, _MARGIN, _TITLE, _LINE = 360, 10, 24, 28, 30
_HEADS = ("image", "truth", "prediction", "heat map", "errors")
_BAR = 200
_PAPER, _INK, _MUTED = (255, 255, 255), (31, 35, 41), (107, 114, 128)


@dataclass(frozen=True)
class PictureItem:
    """One row of a picture.

    Args:
        title: Title of the row.
        mask: Predicted class ids (height, width).
        truth: True class ids (height, width); without them neither truth nor errors are shown.
        image: Pixels (bands, height, width); without them no image is shown.
        valid: Pixels that hold data (height, width); None for all.
        probabilities: Of class 1, or with many classes of the predicted one (height, width); without them there is no
            heat map.
    """

    title: str
    mask: npt.NDArray[Any]
    truth: npt.NDArray[Any] | None = None
    image: npt.NDArray[Any] | None = None
    valid: npt.NDArray[np.bool_] | None = None
    probabilities: npt.NDArray[np.floating] | None = None


def picture_grid(items: Sequence[PictureItem], legend: Legend) -> Image.Image:
    """Draw rows of image, truth, prediction, heat map and errors under their titles, and the legend below.

    Args:
        items: The rows.
        legend: The classes.

    Raises:
        UsageError: There is nothing to show.
    """
    if not items:
        raise UsageError("There is no picture to show: the list of images is empty.")
    rows = [_panels(item, legend) for item in items]
    heads = [head for head in _HEADS if any(head in row for row in rows)]
    with_heat = "heat map" in heads
    inner_width = len(heads) * (_CELL + _GAP) - _GAP
    keys = _legend_lines(legend, "errors" in heads, inner_width)
    cells = sum(_cell_height(item) + _TITLE + _GAP for item in items)
    grid = Image.new(
        "RGB",
        (inner_width + 2 * _MARGIN, 2 * _MARGIN + _TITLE + _GAP + cells + _LINE * (len(keys) + with_heat)),
        _PAPER,
    )
    draw = ImageDraw.Draw(grid)
    top = _MARGIN
    for column, head in enumerate(heads):
        draw.text((_left(column), top), head, _MUTED, _font(17))
    top += _TITLE + _GAP
    for item, row in zip(items, rows, strict=True):
        draw.text((_MARGIN, top), item.title, _INK, _font(17))
        for column, head in enumerate(heads):
            if head not in row:
                continue
            # A mask is never blurred when enlarged; when reduced, thin roads would be lost without averaging.
            smooth = Image.Resampling.LANCZOS if head in {"image", "heat map"} else Image.Resampling.BOX
            if smooth == Image.Resampling.BOX and row[head].shape[1] <= _CELL:
                smooth = Image.Resampling.NEAREST
            cell = Image.fromarray(row[head]).resize((_CELL, _cell_height(item)), smooth)
            grid.paste(cell, (_left(column), top + _TITLE))
        top += _TITLE + _cell_height(item) + _GAP
    top += 8
    for line in keys:
        for left, name, color in line:
            box = (_MARGIN + left, top + 2, _MARGIN + left + 16, top + 18)
            draw.rounded_rectangle(box, 3, fill=color, outline=(150, 150, 156))
            draw.text((_MARGIN + left + 24, top), name, _INK, _font(15))
        top += _LINE
    if with_heat:
        _draw_color_bar(grid, draw, legend, top)
    return grid


def write_pictures(path: str | Path, items: Sequence[PictureItem], legend: Legend) -> None:
    """Write rows of pictures, see `picture_grid`.

    Args:
        path: A .jpg or .png file.
        items: The rows.
        legend: The classes.

    Raises:
        UsageError: There is nothing to show.
    """
    save_picture(picture_grid(items, legend), path)


def _panels(item: PictureItem, legend: Legend) -> dict[str, Picture]:
    panels: dict[str, Picture] = {}
    if item.image is not None:
        panels["image"] = display_rgb(item.image, item.valid)
    if item.truth is not None:
        panels["truth"] = colorize_mask(item.truth, legend)
    panels["prediction"] = colorize_mask(item.mask, legend)
    if item.probabilities is not None:
        panels["heat map"] = heat_picture(item.probabilities, item.valid)
    if item.truth is not None:
        panels["errors"] = error_picture(item.truth, item.mask, legend, panels.get("image"))
    return panels


def _left(column: int) -> int:
    return _MARGIN + column * (_CELL + _GAP)


def _cell_height(item: PictureItem) -> int:
    height, width = item.mask.shape
    return round(_CELL * int(height) / int(width))


def _legend_lines(legend: Legend, with_errors: bool, width: int) -> list[list[tuple[int, str, Color]]]:
    """Return lines of keys that fit a width: for each key its place in pixels from the left, its text, its colour."""
    keys = list(zip(legend.names, legend.colors, strict=True))
    if with_errors and legend.is_binary:
        name = legend.names[1]
        keys += [(f"{name} found", HIT), (f"{name} missed", MISSED), (f"{name} false alarm", FALSE_ALARM)]
    elif with_errors:
        keys.append(("wrong class", WRONG))
    lines: list[list[tuple[int, str, Color]]] = [[]]
    left = 0
    for name, color in keys:
        step = 24 + round(_font(15).getlength(name)) + 22
        if left + step > width and lines[-1]:
            lines.append([])
            left = 0
        lines[-1].append((left, name, color))
        left += step
    return lines


def _draw_color_bar(grid: Image.Image, draw: ImageDraw.ImageDraw, legend: Legend, top: int) -> None:
    text = f"heat map: probability of {legend.names[1] if legend.is_binary else 'the predicted class'}   0"
    left = _MARGIN + round(_font(15).getlength(text)) + 8
    draw.text((_MARGIN, top), text, _INK, _font(15))
    grid.paste(Image.fromarray(color_bar(_BAR, 14)), (left, top + 3))
    draw.text((left + _BAR + 8, top), "1", _INK, _font(15))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)

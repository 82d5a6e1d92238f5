"""Pictures in rows: image, truth, prediction, heat map, errors, with a legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from overland.errors import UsageError
from overland.legend import Color, Legend
from overland.report.display import (
    FALSE_ALARM,
    HIT,
    MISSED,
    WRONG,
    Picture,
    colorize_mask,
    display_rgb,
    error_picture,
)
from overland.report.heat import color_bar, heat_picture
from overland.report.style import save_picture

__all__ = ["PictureItem", "picture_grid", "write_pictures"]

_CELL, _GAP, _MARGIN, _TITLE, _LINE = 360, 10, 24, 28, 30
_HEADS = ("image", "truth", "prediction", "heat map", "errors")
_BAR = 200
_PAPER, _INK, _MUTED = (255, 255, 255), (31, 35, 41), (107, 114, 128)


@dataclass(frozen=True)
class PictureItem:
    """One row of a picture: ids (height, width) in `mask` and `target`, pixels (bands, height, width) in `image`.

    Without a target there is no truth and no errors to show, without an image no image. `scores` (height, width) are
    those of the class of interest, or with many classes of the one that was chosen; without them there is no heat map.
    """

    title: str
    mask: npt.NDArray[Any]
    target: npt.NDArray[Any] | None = None
    image: npt.NDArray[Any] | None = None
    valid: npt.NDArray[np.bool_] | None = None
    scores: npt.NDArray[np.floating] | None = None


def picture_grid(items: Sequence[PictureItem], legend: Legend) -> Image.Image:
    """Rows of image | truth | prediction | heat map | errors under their titles, and the legend below.

    Raises `UsageError` when there is nothing to show.
    """
    if not items:
        raise UsageError("There is no picture to show: the list of images is empty.")
    rows = [_panels(item, legend) for item in items]
    heads = [head for head in _HEADS if any(head in row for row in rows)]
    with_heat = "heat map" in heads
    inner_width = len(heads) * (_CELL + _GAP) - _GAP
    keys = _legend_lines(_legend_keys(legend, "errors" in heads), inner_width)
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
            cell = _resized(row[head], (_CELL, _cell_height(item)), is_image=head in {"image", "heat map"})
            grid.paste(cell, (_left(column), top + _TITLE))
        top += _TITLE + _cell_height(item) + _GAP
    _draw_legend(draw, keys, top + 8)
    if with_heat:
        _draw_color_bar(grid, draw, legend, top + 8 + _LINE * len(keys))
    return grid


def write_pictures(path: str | Path, items: Sequence[PictureItem], legend: Legend) -> None:
    """Write `picture_grid` to a .jpg or .png."""
    save_picture(picture_grid(items, legend), path)


def _panels(item: PictureItem, legend: Legend) -> dict[str, Picture]:
    panels: dict[str, Picture] = {}
    if item.image is not None:
        panels["image"] = display_rgb(item.image, item.valid)
    if item.target is not None:
        panels["truth"] = colorize_mask(item.target, legend)
    panels["prediction"] = colorize_mask(item.mask, legend)
    if item.scores is not None:
        panels["heat map"] = heat_picture(item.scores, item.valid)
    if item.target is not None:
        panels["errors"] = error_picture(item.target, item.mask, legend, panels.get("image"))
    return panels


def _left(column: int) -> int:
    return _MARGIN + column * (_CELL + _GAP)


def _cell_height(item: PictureItem) -> int:
    height, width = item.mask.shape
    return round(_CELL * int(height) / int(width))


def _resized(panel: Picture, size: tuple[int, int], *, is_image: bool) -> Image.Image:
    smaller = size[0] < panel.shape[1]
    smooth = Image.Resampling.LANCZOS if is_image else Image.Resampling.BOX
    # A mask is never blurred when enlarged; when reduced, thin roads would be lost without averaging.
    return Image.fromarray(panel).resize(size, smooth if is_image or smaller else Image.Resampling.NEAREST)


def _legend_keys(legend: Legend, with_errors: bool) -> list[tuple[str, Color]]:
    keys = list(zip(legend.names, legend.colors, strict=True))
    if not with_errors:
        return keys
    if legend.is_binary:
        name = legend.names[1]
        return [*keys, (f"{name} found", HIT), (f"{name} missed", MISSED), (f"{name} false alarm", FALSE_ALARM)]
    return [*keys, ("wrong class", WRONG)]


def _legend_lines(keys: Sequence[tuple[str, Color]], width: int) -> list[list[tuple[int, str, Color]]]:
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


def _draw_legend(draw: ImageDraw.ImageDraw, lines: Sequence[Sequence[tuple[int, str, Color]]], top: int) -> None:
    for line in lines:
        for left, name, color in line:
            box = (_MARGIN + left, top + 2, _MARGIN + left + 16, top + 18)
            draw.rounded_rectangle(box, 3, fill=color, outline=(150, 150, 156))
            draw.text((_MARGIN + left + 24, top), name, _INK, _font(15))
        top += _LINE


def _draw_color_bar(grid: Image.Image, draw: ImageDraw.ImageDraw, legend: Legend, top: int) -> None:
    what = f"heat map: score of {legend.names[1] if legend.is_binary else 'the predicted class'}   0"
    left = _MARGIN + round(_font(15).getlength(what)) + 8
    draw.text((_MARGIN, top), what, _INK, _font(15))
    grid.paste(Image.fromarray(color_bar(_BAR, 14)), (left, top + 3))
    draw.text((left + _BAR + 8, top), "1", _INK, _font(15))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)

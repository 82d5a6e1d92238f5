"""The map as HTML: scene, mask and roads in layers that can be switched on and off without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from overland.report.display import Picture
from overland.report.fragments import data_uri
from overland.report.overview import ClassArea
from overland.report.road_groups import RoadGroup

__all__ = ["MapView", "map_figure", "round_length"]

_BAR_SHARE = 0.22


@dataclass(frozen=True)
class MapView:
    """What is shown of a scene: its overview, and over it a mask (RGBA), roads and outlines in the overview's pixels.

    `groups` say how roads are coloured, all alike when there are none. `pixel_m` is the size of a pixel of the overview
    in metres, None without a CRS.
    """

    image: Picture
    overlay: npt.NDArray[np.uint8] | None = None
    areas: Sequence[ClassArea] = ()
    roads: Sequence[npt.NDArray[np.float64]] = ()
    groups: Sequence[RoadGroup] = ()
    outlines: Sequence[npt.NDArray[np.float64]] = ()
    pixel_m: float | None = None
    caption: str = ""
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def map_figure(view: MapView) -> str:
    """The map with its layers, a scale bar, and the area of each class beside it."""
    height, width = view.image.shape[:2]
    layers = [("mask", "Mask", view.overlay is not None), ("outlines", "Polygons", bool(view.outlines))]
    layers.append(("roads", "Roads", bool(view.roads)))
    shown = [(key, title) for key, title, exists in layers if exists]
    switches = "".join(f'<input type="checkbox" id="show-{key}" checked>' for key, _ in shown)
    labels = "".join(f'<label for="show-{key}">{title}</label>' for key, title in shown)
    overlay = ""
    if view.overlay is not None:
        overlay = f'<img class="layer-mask" src="{data_uri(Image.fromarray(view.overlay))}" alt="Mask over the scene">'
    drawn = _paths(view.outlines, "layer-outlines", closed=True) + _roads(view) + _scale_bar(view)
    return (
        f'<figure class="map">{switches}<div class="switches">{labels}</div><div class="stack">'
        f'<img src="{data_uri(Image.fromarray(view.image))}" alt="{escape(view.caption)}">{overlay}'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{drawn}</svg></div>'
        f"{_road_key(view.groups)}<figcaption>{escape(view.caption)}</figcaption>{_area_table(view)}</figure>"
    )


def _paths(lines: Sequence[npt.NDArray[np.float64]], layer: str, *, closed: bool = False) -> str:
    if not lines:
        return ""
    path = "".join(_path(line) + ("Z" if closed else "") for line in lines)
    # Two strokes: a dark casing below keeps the line visible on bright ground.
    return f'<g class="{layer}"><path class="casing" d="{path}"/><path d="{path}"/></g>'


def _roads(view: MapView) -> str:
    if not view.groups:
        return _paths(view.roads, "layer-roads")
    paths = [("".join(_path(view.roads[index]) for index in group.members), group) for group in view.groups]
    casing = "".join(f'<path class="casing" d="{path}"/>' for path, _ in paths)
    drawn = "".join(f'<path style="{_stroke(group)}" d="{path}"/>' for path, group in paths)
    return f'<g class="layer-roads">{casing}{drawn}</g>'


def _stroke(group: RoadGroup) -> str:
    return f"stroke:{group.color}" + (";stroke-dasharray:6 5;stroke-linecap:butt" if group.dashed else "")


def _road_key(groups: Sequence[RoadGroup]) -> str:
    if not groups:
        return ""
    items = (
        f'<span><svg viewBox="0 0 28 8"><path class="casing" d="M0 4h28"/><path style="{_stroke(group)}" d="M0 4h28"/>'
        f"</svg>{escape(group.label)}</span>"
        for group in groups
    )
    return f'<p class="road-key">{"".join(items)}</p>'


def _path(line: npt.NDArray[np.float64]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist())


def _scale_bar(view: MapView) -> str:
    if not view.pixel_m:
        return ""
    height, width = view.image.shape[:2]
    metres = round_length(width * view.pixel_m * _BAR_SHARE)
    length, size = metres / view.pixel_m, width / 44
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    left, bottom = width * 0.025, height - width * 0.03
    bar = f"M{left:.1f} {bottom:.1f}h{length:.1f}"
    return (
        f'<g class="scale-bar" style="font-size:{size:.1f}px"><path class="casing" d="{bar}"/><path d="{bar}"/>'
        f'<text x="{left:.1f}" y="{bottom - size * 0.6:.1f}">{text}</text></g>'
    )


def round_length(metres: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... metres that is no longer, for a scale bar."""
    power = 10 ** np.floor(np.log10(metres))
    return float(max(step * power for step in (1, 2, 5) if step * power <= metres))


def _area_table(view: MapView) -> str:
    rows = "".join(_area_row(area) for area in view.areas)
    rows += "".join(f"<tr><th>{escape(name)}</th><td colspan=2>{escape(value)}</td></tr>" for name, value in view.facts)
    return f'<div class="scroll"><table class="areas"><tbody>{rows}</tbody></table></div>' if rows else ""


def _area_row(area: ClassArea) -> str:
    swatch = f'<i class="swatch" style="background:rgb{_rgb(area.color)}"></i>'
    hectares = "" if area.hectares is None else f"{_hectares(area.hectares)} ha"
    return f"<tr><th>{swatch}{escape(area.name)}</th><td>{hectares}</td><td>{area.share:.1%}</td></tr>"


def _hectares(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _rgb(color: Any) -> str:
    return str(tuple(int(channel) for channel in color)).replace(" ", "")

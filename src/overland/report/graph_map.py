"""Maps as pictures: a road graph over its scene coloured by confidence, polygons over theirs with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.patheffects import Normal, Stroke

from overland.report.display import Picture
from overland.report.map_figure import round_length
from overland.report.road_groups import BRIDGED_COLOR, SEEN_COLOR, RoadGroup
from overland.report.style import INK, new_figure, write_figure

__all__ = ["write_graph_picture", "write_polygon_picture"]

Lines = Sequence[npt.NDArray[np.float64]]

_WIDTH_IN = 7.5
_LINE_PT = 1.4
_CASING = [Stroke(linewidth=_LINE_PT + 1.4, foreground=(0, 0, 0, 0.7)), Normal()]
_DASHES = (0, (3, 2))
_BAR_SHARE = 0.22
_SAME_PX = 4


def write_graph_picture(
    path: str | Path,
    image: Picture,
    lines: Lines,
    groups: Sequence[RoadGroup] = (),
    *,
    before: Lines | None = None,
    pixel_m: float | None = None,
) -> None:
    """Draw roads over an image as PNG, each group (`report.road_groups`) in its colour.

    `image` (height, width, 3), lines are points (n, 2) across and down in its pixels, `pixel_m` the size of a pixel
    in metres. With `before`, roads as they were before gaps were bridged, both stand side by side, and what has been
    added is dashed.
    """
    titles = ["Roads"] if before is None else ["Before gaps were bridged", "After"]
    figure, panels = _panels(image, titles, pixel_m)
    if before is not None:
        _draw_lines(panels[0], before, SEEN_COLOR, dashed=False)
    for group in groups or [RoadGroup("", SEEN_COLOR, False, np.arange(len(lines)))]:
        _draw_lines(panels[-1], [lines[index] for index in group.members], group.color, dashed=group.dashed)
    handles = [_line_key(group.label, group.color, group.dashed) for group in groups]
    if before is not None:
        added = _added(lines, before)
        # A dark bed first, since the gaps between dashes would show the road that lies below.
        _draw_lines(panels[-1], added, INK, dashed=False)
        _draw_lines(panels[-1], added, BRIDGED_COLOR, dashed=True)
        handles.append(_line_key("bridged", BRIDGED_COLOR, True))
    _add_legend(figure, handles)
    write_figure(figure, path)


def write_polygon_picture(
    path: str | Path,
    image: Picture,
    polygons: npt.NDArray[Any],
    names: Sequence[str],
    colors: dict[str, tuple[int, int, int]],
    *,
    pixel_m: float | None = None,
) -> None:
    """Draw polygons over an image as PNG, filled with the colour of their class, and a legend of the classes.

    `polygons` in pixels of the image (x = column, y = row), `names` the class of each.
    """
    figure, (axes,) = _panels(image, ["Polygons"], pixel_m)
    shown = [name for name in colors if name in set(names)]
    for name in shown:
        chosen = polygons[np.asarray(names, dtype=object) == name]
        axes.add_patch(PathPatch(_outline(chosen), facecolor=(*_rgb(colors[name]), 0.55), edgecolor="white", lw=0.5))
    _add_legend(figure, [Patch(facecolor=_rgb(colors[name]), edgecolor=INK, lw=0.5, label=name) for name in shown])
    write_figure(figure, path)


def _panels(image: Picture, titles: Sequence[str], pixel_m: float | None) -> tuple[Figure, list[Axes]]:
    height, width = image.shape[:2]
    figure = new_figure(_WIDTH_IN * len(titles), _WIDTH_IN * height / width + 0.6)
    panels = []
    for number, title in enumerate(titles, 1):
        axes = figure.add_subplot(1, len(titles), number)
        axes.imshow(image, extent=(0, width, height, 0), interpolation="antialiased")
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        panels.append(axes)
    if pixel_m:
        _draw_scale_bar(panels[0], width, height, pixel_m)
    return figure, panels


def _draw_lines(axes: Axes, lines: Lines, color: str, *, dashed: bool) -> None:
    style = _DASHES if dashed else "solid"
    drawn = LineCollection(list(lines), colors=color, linewidths=_LINE_PT, linestyles=[style], path_effects=_CASING)
    axes.add_collection(drawn, autolim=False)


def _added(lines: Lines, before: Lines) -> list[npt.NDArray[np.float64]]:
    known = shapely.union_all([shapely.LineString(line) for line in before]).buffer(_SAME_PX)
    rest = shapely.get_parts(shapely.difference([shapely.LineString(line) for line in lines], known))
    # What is shorter has been smoothed otherwise, and was there before.
    return [shapely.get_coordinates(part) for part in rest[shapely.length(rest) > _SAME_PX]]


def _draw_scale_bar(axes: Axes, width: int, height: int, pixel_m: float) -> None:
    metres = round_length(width * pixel_m * _BAR_SHARE)
    left, bottom = width * 0.025, height - width * 0.03
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    casing = [Stroke(linewidth=5, foreground="black"), Normal()]
    axes.plot([left, left + metres / pixel_m], [bottom, bottom], color="white", lw=2.5, path_effects=casing)
    outline = [Stroke(linewidth=2.5, foreground="black"), Normal()]
    axes.text(left, bottom - width * 0.012, text, color="white", fontsize=9, fontweight="bold", path_effects=outline)


def _add_legend(figure: Figure, handles: Sequence[Any]) -> None:
    if handles:
        figure.legend(
            handles=list(handles), loc="outside lower left", ncols=min(len(handles), 4), frameon=False, fontsize=9
        )


def _line_key(label: str, color: str, dashed: bool) -> Line2D:
    return Line2D([], [], color=color, lw=2, ls=_DASHES if dashed else "-", path_effects=_CASING, label=label)


def _outline(polygons: npt.NDArray[Any]) -> Outline:
    rings = shapely.get_rings(shapely.normalize(polygons))
    return Outline.make_compound_path(*(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings))


def _rgb(color: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255

"""Roads and polygons drawn on a result: lines in the pixels of its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.report.overview import lines_to_overview
from overland.vector import read_layer
from overland.web.app.mercator import lines_to_picture
from overland.web.app.pictures import mercator_of, picture_step
from overland.web.app.results import MapState

__all__ = ["Drawing", "read_drawing"]

_MOST_POINTS = 120_000


@dataclass(frozen=True)
class Drawing:
    """Lines as the viewer takes them: colour, points (x, y, x, y, ...), whether it is an outline; are they all?"""

    lines: list[dict[str, Any]]
    is_whole: bool


def read_drawing(state: MapState, kind: str, *, on_map: bool) -> Drawing:
    """The roads, or the outlines of the polygons, of a result as lines on its picture, or `on_map` in Web Mercator."""
    path, _ = state.vectors(kind)

    def make() -> Drawing:
        layer = read_layer(path)
        names = layer.fields.get("name", np.full(len(layer), ""))
        parts, owners = shapely.get_parts(layer.geometries, return_index=True)
        lines = shapely.boundary(parts) if kind == "polygons" else parts
        lines, sources = shapely.get_parts(lines, return_index=True)
        picked, is_whole = _bounded(lines)
        moved = _on_picture(state, picked, layer.crs, on_map)
        colors = [_color(state, str(names[owners[source]])) for source in sources[: len(picked)]]
        items = [
            {"color": color, "points": np.round(line, 1).ravel().tolist(), "isOutline": kind == "polygons"}
            for color, line in zip(colors, moved, strict=True)
        ]
        return Drawing(items, is_whole)

    drawing: Drawing = state.result.pictures.once(f"drawing {kind} {on_map} {state.key}", make)
    return drawing


def _bounded(lines: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], bool]:
    # A browser draws this many points at once without a stutter; the files that are downloaded hold all of them.
    ends = np.cumsum(shapely.get_num_coordinates(lines))
    count = int(np.searchsorted(ends, _MOST_POINTS, side="right"))
    return lines[:count], count == len(lines)


def _on_picture(
    state: MapState, lines: npt.NDArray[Any], crs: str | None, on_map: bool
) -> list[npt.NDArray[np.float64]]:
    result = state.result
    if on_map:
        coordinates = [shapely.get_coordinates(line) for line in lines]
        return lines_to_picture(coordinates, crs, mercator_of(result))
    grid = result.grid
    return lines_to_overview(lines, crs, grid, picture_step(result))


def _color(state: MapState, name: str) -> str:
    legend = state.result.legend
    return "rgb({} {} {})".format(*legend.colors[legend.names.index(name)]) if name in legend.names else "#0f766e"

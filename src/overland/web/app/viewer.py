"""The viewer of the page: scene and class map on one canvas, made of our own HTML, CSS and script."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from overland.web.app.drawing import Drawing
from overland.web.app.pictures import data_uri, image_picture, map_picture, mercator_of, picture_step
from overland.web.app.results import MapState

__all__ = ["show_viewer"]

_FOLDER = Path(__file__).parent / "viewer"
_CREDIT = "© OpenStreetMap contributors"


def show_viewer(
    state: MapState,
    shown: Collection[int],
    *,
    mode: str,
    opacity: float,
    drawing: Drawing | None = None,
    tiles: str = "",
) -> None:
    """Show a result. `mode` is "swipe", "side", "overlay" or "map" (Web Mercator, with `tiles` beneath if given).

    `drawing` is what `read_drawing` gave for this mode.
    """
    _component()(key="viewer", data=_viewer_data(state, shown, mode, opacity, drawing, tiles))


def _viewer_data(
    state: MapState, shown: Collection[int], mode: str, opacity: float, drawing: Drawing | None, tiles: str
) -> dict[str, Any]:
    result = state.result
    place = mercator_of(result) if mode == "map" else None
    picture = image_picture(result)
    height, width = place.shape if place else picture.shape[:2]
    resolution_m = result.grid.resolution_m
    return {
        "plane": f"{id(result)} {mode == 'map'}",
        "label": f"{result.name}: image and class map",
        "image": result.pictures.once(f"image uri {place is not None}", lambda: data_uri(picture, place)),
        "overlay": result.pictures.once(
            f"overlay uri {state.key} {sorted(shown)} {place is not None}",
            lambda: data_uri(map_picture(state, shown), place),
        ),
        "width": width,
        "height": height,
        "mode": "overlay" if mode == "map" else mode,
        "opacity": opacity,
        "tags": ["Image", "Map"],
        "lines": [] if drawing is None else drawing.lines,
        "metres_per_pixel": place.metres_per_pixel if place else resolution_m and resolution_m * picture_step(result),
        "mercator": {"left": place.left, "top": place.top, "resolution": place.resolution} if place else None,
        "tiles": tiles if place else "",
        "credit": _CREDIT,
    }


@cache
def _component() -> Any:
    html, css, script = (
        _FOLDER.joinpath(f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component("overland_viewer", html=html, css=css, js=script)

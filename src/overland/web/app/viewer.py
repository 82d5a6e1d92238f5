"""The viewer of the page: pictures and lines of a result, reduced, on one canvas of our own HTML, CSS and script."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import streamlit as st
from PIL import Image

from overland.raster import open_scene
from overland.raster.tiles import MercatorGrid, lines_to_picture, mercator_grid, warped
from overland.reporting.map_figure import fractions_of_mask, lines_to_overview, overview_of_scene, overview_step
from overland.vector import read_layer
from overland.web.app.results import MappedImage, MapState, VectorKind

__all__ = [
    "Drawing",
    "data_uri",
    "image_picture",
    "map_picture",
    "mercator_of",
    "overlay_png",
    "picture_step",
    "read_drawing",
    "show_viewer",
]


_SIDE = 1400
_PREVIEW_SIDE = 560
_JPEG_QUALITY = 86

Picture = npt.NDArray[np.uint8]


def picture_step(result: MappedImage, side: int = _SIDE) -> int:
    """Return the number of pixels of the image along each axis that become one in a picture.

    Args:
        result: The result.
        side: Longest side of the picture, in pixels.
    """
    return overview_step(result.grid, side)


def image_picture(result: MappedImage) -> Picture:
    """Return the image as RGB, uint8 (height, width, 3).

    Args:
        result: The result.
    """

    def make() -> Picture:
        with open_scene(result.image, expand_palette=True) as scene:
            return overview_of_scene(scene, picture_step(result))

    return result.pictures.once("image", make)


def map_picture(state: MapState, shown: Collection[int], *, preview: bool = False) -> Picture:
    """Return the class map as RGBA, uint8 (height, width, 4).

    Args:
        state: The result as the controls show it.
        shown: Ids of the classes that are shown.
        preview: Whether a small picture is enough.
    """
    result = state.result

    def make() -> dict[int, Picture]:
        with open_scene(state.mask) as scene:
            return fractions_of_mask(scene, picture_step(result, _PREVIEW_SIDE if preview else _SIDE))

    # The map is gone through once; which classes are shown is then decided on the picture.
    fractions = result.pictures.once(f"fractions {state.key} {preview}", make)
    shape = next((part.shape for part in fractions.values()), image_picture(result).shape[:2])
    total = np.zeros(shape, np.float32)
    colors = np.zeros((*shape, 3), np.float32)
    for index, part in fractions.items():
        if index in shown:
            total += part
            colors += part[..., None] * np.array(result.legend.colors[index], np.float32)
    colors /= np.maximum(total, 1)[..., None]
    picture: Picture = np.rint(np.concatenate([colors, np.minimum(total, 255)[..., None]], axis=2)).astype(np.uint8)
    return picture


def mercator_of(result: MappedImage) -> MercatorGrid:
    """Return the Web Mercator grid on which the pictures of a georeferenced result are shown.

    Args:
        result: The result.
    """
    return result.pictures.once("mercator", lambda: mercator_grid(result.grid, picture_step(result)))


def data_uri(picture: Picture, mercator: MercatorGrid | None = None) -> str:
    """Return a picture as text to stand in the page: JPEG for RGB, PNG for RGBA.

    Args:
        picture: uint8 (height, width, 3 or 4).
        mercator: The grid that it is warped to; None to leave it as it is.
    """
    if mercator is not None:
        picture = warped(picture, mercator)
    is_opaque = picture.shape[2] == 3
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if is_opaque else {"compress_level": 4}
    kind = "JPEG" if is_opaque else "PNG"
    return f"data:image/{kind.lower()};base64,{base64.b64encode(_encoded(picture, kind, options)).decode('ascii')}"


def overlay_png(state: MapState, shown: Collection[int], opacity: float) -> bytes:
    """Return the image with the map over it, as the page shows it, as PNG.

    Args:
        state: The result as the controls show it.
        shown: Ids of the classes that are shown.
        opacity: Opacity of the map, 0 to 1.
    """
    image = Image.fromarray(image_picture(state.result)).convert("RGBA")
    overlay = map_picture(state, shown).copy()
    overlay[..., 3] = np.rint(overlay[..., 3] * opacity).astype(np.uint8)
    image.alpha_composite(Image.fromarray(overlay))
    return _encoded(np.asarray(image.convert("RGB")), "PNG", {})


def _encoded(picture: Picture, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=kind, **options)
    return buffer.getvalue()


_MOST_POINTS = 120_000
_OTHER_COLOR = "#0f766e"


@dataclass(frozen=True)
class Drawing:
    """Roads or polygons as the viewer draws them.

    Args:
        lines: Each with `color`, `points` (x, y, x, y, ... in pixels of the picture) and `isOutline`.
        is_whole: Whether these are all lines of the file.
    """

    lines: list[dict[str, Any]]
    is_whole: bool


def read_drawing(state: MapState, kind: VectorKind, *, on_map: bool) -> Drawing:
    """Read the roads, or the outlines of the polygons, of a result.

    Args:
        state: The result as the controls show it.
        kind: "roads" or "polygons".
        on_map: Whether they lie on the picture in Web Mercator.

    Returns:
        The lines in pixels of the picture.
    """
    result, (path, _) = state.result, state.vectors(kind)

    def make() -> Drawing:
        layer = read_layer(path)
        names = layer.fields.get("name", np.full(len(layer), ""))
        parts, owners = shapely.get_parts(layer.geometries, return_index=True)
        lines = shapely.boundary(parts) if kind == "polygons" else parts
        lines, sources = shapely.get_parts(lines, return_index=True)
        # A browser draws this many points at once without a stutter; the files that are downloaded hold all of them.
        count = int(np.searchsorted(np.cumsum(shapely.get_num_coordinates(lines)), _MOST_POINTS, side="right"))
        picked = lines[:count]
        if on_map:
            coordinates = [shapely.get_coordinates(line) for line in picked]
            moved = lines_to_picture(coordinates, layer.crs, mercator_of(result))
        else:
            moved = lines_to_overview(picked, layer.crs, result.grid, picture_step(result))
        color_of = {
            name: "rgb({} {} {})".format(*color)
            for name, color in zip(result.legend.names, result.legend.colors, strict=True)
        }
        colors = [color_of.get(str(names[owners[source]]), _OTHER_COLOR) for source in sources[:count]]
        items = [
            {"color": color, "points": np.round(line, 1).ravel().tolist(), "isOutline": kind == "polygons"}
            for color, line in zip(colors, moved, strict=True)
        ]
        return Drawing(items, count == len(lines))

    return result.pictures.once(f"drawing {kind} {on_map} {state.key}", make)


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
    """Show a result in the viewer.

    Args:
        state: The result as the controls show it.
        shown: Ids of the classes that are shown.
        mode: "swipe", "side", "overlay" or "map" (Web Mercator).
        opacity: Opacity of the map, 0 to 1.
        drawing: Lines that `read_drawing` returned for this mode; None for none.
        tiles: Address of the base map's tiles, for the mode "map"; "" for none.
    """
    result = state.result
    place = mercator_of(result) if mode == "map" else None
    picture = image_picture(result)
    height, width = place.shape if place else picture.shape[:2]
    resolution_m = result.grid.resolution_m
    data = {
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
    _component()(key="viewer", data=data)


@cache
def _component() -> Any:
    html, css, script = (
        _FOLDER.joinpath(f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component("overland_viewer", html=html, css=css, js=script)

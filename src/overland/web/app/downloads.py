"""Downloads: files to take home, each made by its workflow when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from overland.raster import open_scene, write_class_map
from overland.result import plain
from overland.web.app.controls import ViewOptions
from overland.web.app.results import MapState, VectorKind
from overland.web.app.viewer import overlay_png
from overland.workflows.areas import areas

__all__ = ["areas_csv", "map_png", "show_downloads", "summary_json"]

_PRIVATE = {"scenes", "output", "model", "probabilities", "confidence", "mask", "inputs", "engine"}


def show_downloads(state: MapState, view: ViewOptions) -> None:
    """Show the buttons, in groups: the map, vectors, figures.

    Args:
        state: The result as the controls show it.
        view: How the viewer shows it, for the picture.
    """
    stem = state.result.stem
    raster, vectors, figures = st.columns(3)
    with raster:
        st.html("<b>Map</b><p class='caption'>Class ids with colours and names, on the image's own grid.</p>")
        _button("GeoTIFF", f"{stem}-map.tif", "image/tiff", lambda: state.mask.read_bytes())
        _button("PNG", f"{stem}-map.png", "image/png", lambda: map_png(state).read_bytes())
        _button("Picture", f"{stem}-overlay.png", "image/png", lambda: overlay_png(state, view.shown, view.opacity))
    with vectors:
        st.html("<b>Vectors</b><p class='caption'>GeoPackage keeps the CRS; GeoJSON is longitude and latitude.</p>")
        kinds: tuple[VectorKind, ...] = ("roads", "polygons")
        for kind in kinds:
            for name, suffix, mime in (
                ("GeoPackage", ".gpkg", "application/geopackage+sqlite3"),
                ("GeoJSON", ".geojson", "application/geo+json"),
            ):
                _button(
                    f"{kind.capitalize()}, {name}",
                    f"{stem}-{kind}{suffix}",
                    mime,
                    partial(state.vector_bytes, kind, suffix),
                )
    with figures:
        st.html("<b>Figures</b><p class='caption'>Areas of the classes; the run and its settings.</p>")
        _button("Areas, CSV", f"{stem}-areas.csv", "text/csv", lambda: areas_csv(state).read_bytes())
        _button("Summary, JSON", f"{stem}.json", "application/json", lambda: summary_json(state))


def map_png(state: MapState) -> Path:
    """Return the class map as a PNG file with a palette.

    Args:
        state: The result as the controls show it.
    """
    path = state.result.file(".png", "png", state.key)

    def make() -> Path:
        with open_scene(state.mask) as scene:
            pixels, grid = scene.read()[0][0], scene.grid
        write_class_map(path, pixels, grid, state.result.legend, overwrite=True)
        return path

    return state.result.made.once(f"png {state.key}", make)


def areas_csv(state: MapState) -> Path:
    """Return the table of areas as a CSV file.

    Args:
        state: The result as the controls show it.
    """
    path = state.result.file(".csv", "areas", state.key)

    def make() -> Path:
        areas(state.mask, output=path, overwrite=True)
        return path

    return state.result.made.once(f"csv {state.key}", make)


def summary_json(state: MapState) -> bytes:
    """Return the run, its settings and the areas, as JSON.

    Args:
        state: The result as the controls show it.
    """
    result = state.result
    values: dict[str, Any] = {
        "image": result.name,
        "model": result.model,
        "synthetic": bool(result.bundle.data.get("synthetic")),
        "legend": result.legend.to_dict(),
        "crs": result.grid.crs,
        "threshold": state.threshold,
        "cleanup": dict(state.cleanup),
        "changed_fraction": state.changed_fraction,
        "areas": plain(state.areas.classes),
        "run": plain({key: value for key, value in result.values.items() if key not in _PRIVATE}),
    }
    return json.dumps(values, indent=2, ensure_ascii=False, default=str).encode()


def _button(label: str, name: str, mime: str, make: Callable[[], bytes]) -> None:
    st.download_button(
        label, data=make, file_name=name, mime=mime, on_click="ignore", icon=":material/download:", key=f"get {label}",
        width="stretch",
    )  # fmt: skip

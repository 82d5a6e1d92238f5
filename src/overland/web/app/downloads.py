"""Files to take home, each made by its workflow when it is asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from overland.raster import open_scene, write_class_map
from overland.web.app.controls import ViewOptions
from overland.web.app.results import MapState
from overland.web.app.viewer import overlay_png
from overland.workflows.areas import measure_areas

__all__ = ["areas_csv", "map_png", "show_downloads", "summary_json"]

_PRIVATE = {"scenes", "output", "model", "scores", "mask", "inputs", "engine"}


def show_downloads(state: MapState, view: ViewOptions) -> None:
    """The buttons, in groups: the map, vectors, figures."""
    stem = state.result.stem
    raster, vectors, figures = st.columns(3)
    with raster:
        st.html("<b>Map</b><p class='caption'>Class ids with colours and names, on the image's own grid.</p>")
        _button("GeoTIFF", f"{stem}-map.tif", "image/tiff", lambda: state.mask.read_bytes())
        _button("PNG", f"{stem}-map.png", "image/png", lambda: map_png(state).read_bytes())
        _button("Picture", f"{stem}-overlay.png", "image/png", lambda: overlay_png(state, view.shown, view.opacity))
    with vectors:
        st.html("<b>Vectors</b><p class='caption'>GeoPackage keeps the CRS; GeoJSON is longitude and latitude.</p>")
        for kind in ("roads", "polygons"):
            for name, suffix, mime in (
                ("GeoPackage", ".gpkg", "application/geopackage+sqlite3"),
                ("GeoJSON", ".geojson", "application/geo+json"),
            ):
                _button(
                    f"{kind.capitalize()}, {name}", f"{stem}-{kind}{suffix}", mime, _vector_reader(state, kind, suffix)
                )
    with figures:
        st.html("<b>Figures</b><p class='caption'>Areas of the classes; what was run and with which settings.</p>")
        _button("Areas, CSV", f"{stem}-areas.csv", "text/csv", lambda: areas_csv(state).read_bytes())
        _button("Summary, JSON", f"{stem}.json", "application/json", lambda: summary_json(state))


def map_png(state: MapState) -> Path:
    """The class map as PNG with a palette."""
    path = state.result.file(".png", "png", state.key)

    def make() -> Path:
        with open_scene(state.mask) as scene:
            pixels, grid = scene.read()[0][0], scene.grid
        write_class_map(path, pixels, grid, state.result.legend, overwrite=True)
        return path

    made: Path = state.result.made.once(f"png {state.key}", make)
    return made


def areas_csv(state: MapState) -> Path:
    """The table of areas as CSV."""
    path = state.result.file(".csv", "areas", state.key)

    def make() -> Path:
        measure_areas(state.mask, output=path, overwrite=True)
        return path

    made: Path = state.result.made.once(f"csv {state.key}", make)
    return made


def summary_json(state: MapState) -> bytes:
    """What was run, with which settings, and the areas, as JSON."""
    result = state.result
    values: dict[str, Any] = {
        "image": result.name,
        "model": result.model,
        "synthetic": bool(result.bundle.data.get("synthetic")),
        "legend": result.legend.to_dict(),
        "crs": result.grid.crs,
        "threshold": state.threshold,
        "cleanup": dict(state.cleanup),
        "changed_share": state.changed_share,
        "areas": [{key: _plain(value) for key, value in row.items()} for row in state.areas["classes"]],
        "run": {key: _plain(value) for key, value in result.values.items() if key not in _PRIVATE},
    }
    return json.dumps(values, indent=2, ensure_ascii=False, default=str).encode()


def _vector_reader(state: MapState, kind: str, suffix: str) -> Callable[[], bytes]:
    return lambda: state.vectors(kind, suffix)[0].read_bytes()


def _button(label: str, name: str, mime: str, make: Callable[[], bytes]) -> None:
    st.download_button(
        label, data=make, file_name=name, mime=mime, on_click="ignore", icon=":material/download:", key=f"get {label}",
        width="stretch",
    )  # fmt: skip


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

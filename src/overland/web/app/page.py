"""The page, from its head to its sections. It parses, submits and shows; its parts are in the modules next to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from overland.web.app.card import card_html, facts_html
from overland.web.app.controls import CLEAN_UPS, ViewOptions, choose_cleanup, choose_mode, choose_threshold, choose_view
from overland.web.app.downloads import show_downloads
from overland.web.app.host import open_host
from overland.web.app.launch import AppSettings
from overland.web.app.results import MappedImage, MapState
from overland.web.app.session import Session
from overland.web.app.theme import ICON, PAGE_CSS, shown_errors
from overland.web.app.truth import show_truth
from overland.web.app.uploads import accept_uploads, choose_image, result_of
from overland.web.app.viewer import map_picture, read_drawing, show_viewer

__all__ = [
    "show_areas",
    "show_clean_ups",
    "show_page",
    "show_vectors",
]


_NO_EXAMPLE = (
    "<div class='empty'><b>Drop an image to see its map.</b><br>This model brings no example of its own.</div>"
)
_EFFECTS = {
    "Raw": "as the model decided",
    "Morphological": "objects and holes under 64 pixels go",
    "Median": "each pixel takes the class of most of its 3 x 3",
}


def show_areas(state: MapState) -> None:
    """Show the table of areas: hectares where there is a CRS, pixels otherwise, fractions always.

    Args:
        state: The result as the controls show it.
    """
    measured = state.areas
    in_metres = measured.units == "metres"
    unit = "ha" if in_metres else "pixels"
    rows = []
    for row, color in zip(measured.classes, state.result.legend.colors, strict=False):
        fraction = row.fraction if math.isfinite(row.fraction) else 0.0
        rgb = "rgb({} {} {})".format(*color)
        amount = f"{row.area_ha:,.2f}" if in_metres else f"{row.pixels:,}"
        rows.append(
            f"<tr><td><i style='background:{rgb}'></i>{escape(row.name)}</td><td>{amount}</td><td>{fraction:.1%}</td>"
            f"<td class='bar'><div style='width:{fraction:.2%};color:{rgb}'></div></td></tr>"
        )
    head = f"<tr><th>Class</th><th>{unit}</th><th>Fraction</th><th></th></tr>"
    st.html(f"<div class='scroll'><table class='areas'>{head}{''.join(rows)}</table></div>")
    st.html(
        "<p class='caption'>Counted pixels are a biased estimate of area where the map has errors; "
        "<code>overland assess</code> gives one with a confidence interval.</p>"
    )


def show_clean_ups(state: MapState, shown: tuple[int, ...]) -> None:
    """Show raw, morphological and median side by side, with the fraction of pixels that each changes.

    Args:
        state: The result as the controls show it; its own clean-up does not matter.
        shown: Ids of the classes that are shown.
    """
    columns = st.columns(len(CLEAN_UPS))
    for column, (name, options) in zip(columns, CLEAN_UPS.items(), strict=True):
        with column, shown_errors():
            other = MapState(state.result, state.threshold, options)
            changed = other.changed_fraction
            picture = map_picture(other, shown, preview=True)
            st.image(picture, width="stretch")
            effect = _EFFECTS[name]
            caption = effect if changed is None else f"{effect}; {changed:.2%} of the pixels changed"
            st.html(f"<b>{name}</b><p class='caption'>{caption}</p>")


def show_vectors(state: MapState) -> None:
    """Show the roads and the polygons of the map in figures.

    Args:
        state: The result as the controls show it.
    """
    left, right = st.columns(2)
    unit = "m" if state.result.grid.is_georeferenced else "px"
    with left, shown_errors():
        _, roads = state.vectors("roads")
        length = roads.length_m or 0.0
        st.metric("Roads", f"{length / 1000:,.2f} km" if unit == "m" else f"{length:,.0f} px")
        st.html(f"<p class='caption'>{roads.edges:,} edges between {roads.nodes:,} nodes</p>")
    with right, shown_errors():
        _, polygons = state.vectors("polygons")
        st.metric("Polygons", f"{polygons.polygons:,}")
        st.html("<p class='caption'>No gaps, no overlaps: they share their borders. Under 64 pixels are left out.</p>")


def show_page(settings: AppSettings) -> None:
    """Show the page of one session.

    Args:
        settings: Settings that the app was started with.
    """
    st.set_page_config("Overland", page_icon=ICON, layout="wide")
    st.html(PAGE_CSS)
    st.html("<div class='brand'><b>Overland</b><span>Satellite imagery in, maps out.</span></div>")
    with shown_errors():
        host = open_host(settings)
        session: Session | None = st.session_state.get("session")
        # A page that comes back after a long sleep finds its session ended; the images in its uploader are submitted
        # again.
        if session is None or not session.is_open:
            session = st.session_state["session"] = host.open_session()
        left, right = st.columns([7, 3], gap="large")
        with right:
            model = st.selectbox("Model", list(host.models), format_func=host.label, key="model")
            with st.popover("About this model", icon=":material/info:", type="tertiary"):
                st.html(card_html(host.queue.models[model]))
            keys = accept_uploads(host, session, model)
            example = host.example(model)
            chosen = choose_image(session, keys, has_example=example is not None)
        with left:
            result = None
            if chosen is not None:
                result = result_of(session, chosen)
            elif example is not None:
                result = session.example(example)
            else:
                st.html(_NO_EXAMPLE)
        if result is not None:
            _show_result(result, settings, left, right)


def _show_result(result: MappedImage, settings: AppSettings, left: DeltaGenerator, right: DeltaGenerator) -> None:
    with left:
        choose_mode(result)
        viewer = st.container()
        facts = st.container()
    with right, shown_errors():
        threshold = choose_threshold(result)
        view = choose_view(result, settings.tiles)
        cleanup = choose_cleanup(result)
        state = MapState(result, threshold, cleanup)
    with viewer, shown_errors():
        drawing = None
        if view.lines:
            with shown_errors(), st.spinner(f"Drawing {view.lines} …"):
                drawing = read_drawing(state, view.lines, on_map=view.mode == "map")
        show_viewer(state, view.shown, mode=view.mode, opacity=view.opacity, drawing=drawing, tiles=view.tiles)
        if drawing is not None and not drawing.is_whole:
            st.caption("So many lines that not all are drawn here; the files below hold them all.")
    with facts:
        grid = result.grid
        size = f"{grid.width:,} × {grid.height:,} px"
        resolution = f"{grid.resolution_m:.3g} m a pixel" if grid.resolution_m else ""
        place = str(grid.crs) if grid.is_georeferenced and len(str(grid.crs)) < 20 else ""
        fraction = state.changed_fraction
        changed = f"clean-up changed {fraction:.2%} of the pixels" if fraction is not None else ""
        synthetic = bool(result.bundle.data.get("synthetic")) and result.image.name == "scene.tif"
        st.html(facts_html(result.name, size, resolution, place, changed, synthetic=synthetic))
    if result.is_empty:
        st.info("The image holds no data anywhere, so there is nothing to map.", icon=":material/info:")
    else:
        _show_sections(state, view, settings)


def _show_sections(state: MapState, view: ViewOptions, settings: AppSettings) -> None:
    sections: dict[str, Callable[[], None]] = {
        "Areas": lambda: show_areas(state),
        "Clean-ups compared": lambda: show_clean_ups(state, view.shown),
        "Roads and polygons": lambda: show_vectors(state),
        "Check against labels": lambda: show_truth(state, settings.limits),
        "Download": lambda: show_downloads(state, view),
    }
    st.space("small")
    chosen = st.segmented_control(
        "Section", list(sections), default="Areas", key="section", label_visibility="collapsed", required=True
    )
    with shown_errors():
        sections[str(chosen)]()

"""The parts below the viewer: areas, clean-ups side by side, roads and polygons, a check against truth, downloads."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from overland.web.app.controls import CLEAN_UPS
from overland.web.app.messages import shown_errors
from overland.web.app.pictures import map_picture
from overland.web.app.results import MapState

__all__ = ["show_areas", "show_clean_ups", "show_vectors"]


def show_areas(state: MapState) -> None:
    """The table of areas: hectares where there is a CRS, pixels otherwise, shares always."""
    values = state.areas
    in_metres = values["units"] == "metres"
    unit = "ha" if in_metres else "pixels"
    rows = []
    for row, color in zip(values["classes"], state.result.legend.colors, strict=False):
        share = row["share"] if np.isfinite(row["share"]) else 0.0
        rgb = "rgb({} {} {})".format(*color)
        amount = f"{row['area_ha']:,.2f}" if in_metres else f"{row['pixels']:,}"
        rows.append(
            f"<tr><td><i style='background:{rgb}'></i>{escape(row['name'])}</td><td>{amount}</td><td>{share:.1%}</td>"
            f"<td class='bar'><div style='width:{share:.2%};color:{rgb}'></div></td></tr>"
        )
    head = f"<tr><th>Class</th><th>{unit}</th><th>Share</th><th></th></tr>"
    st.html(f"<div class='scroll'><table class='areas'>{head}{''.join(rows)}</table></div>")
    st.html(
        "<p class='caption'>Counted pixels are a biased estimate of area where the map has errors; "
        "<code>overland assess</code> gives one with a confidence interval.</p>"
    )


def show_clean_ups(state: MapState, shown: tuple[int, ...]) -> None:
    """Raw, morphological and median side by side, with the share of pixels that each changes."""
    columns = st.columns(len(CLEAN_UPS))
    for column, (name, options) in zip(columns, CLEAN_UPS.items(), strict=True):
        with column, shown_errors():
            other = MapState(state.result, state.threshold, options)
            changed = other.changed_share
            picture = map_picture(other, shown, preview=True)
            st.image(picture, width="stretch")
            st.html(f"<b>{name}</b><p class='caption'>{_changed(changed, name)}</p>")


def show_vectors(state: MapState) -> None:
    """What the roads and the polygons of the map are, in figures."""
    left, right = st.columns(2)
    unit = "m" if state.result.grid.is_georeferenced else "px"
    with left, shown_errors():
        _, roads = state.vectors("roads")
        length = roads["length_m"]
        st.metric("Roads", f"{length / 1000:,.2f} km" if unit == "m" else f"{length:,.0f} px")
        st.html(f"<p class='caption'>{roads['edges']:,} edges between {roads['nodes']:,} nodes</p>")
    with right, shown_errors():
        _, polygons = state.vectors("polygons")
        st.metric("Polygons", f"{polygons['polygons']:,}")
        st.html("<p class='caption'>No gaps, no overlaps: they share their borders. Under 64 pixels are left out.</p>")


def _changed(share: float | None, name: str) -> str:
    what = {
        "Raw": "as the model decided",
        "Morphological": "objects and holes under 64 pixels go",
        "Median": "each pixel takes the class of most of its 3 x 3",
    }[name]
    return what if share is None else f"{what}; {share:.2%} of the pixels changed"

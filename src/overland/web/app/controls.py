"""Controls beside the viewer choose its mode and layers, the threshold and the clean-up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import streamlit as st

from overland.web.app.results import CleanUpOptions, MappedImage, VectorKind

__all__ = ["CLEAN_UPS", "ViewOptions", "choose_cleanup", "choose_mode", "choose_threshold", "choose_view"]

CLEAN_UPS: dict[str, CleanUpOptions] = {
    "Raw": {},
    "Morphological": {"preset": "morphological"},
    "Median": {"preset": "median"},
}
"""Published clean-ups by their names, as options of `postprocess`."""
_OWN = "Own"
_LINES = {"": "Nothing", "roads": "Roads", "polygons": "Polygons"}
_KINDS: dict[str, VectorKind] = {"roads": "roads", "polygons": "polygons"}
_MODES = {"swipe": "Swipe", "side": "Side by side", "overlay": "Overlay", "map": "Map"}


@dataclass(frozen=True)
class ViewOptions:
    """Options of how the viewer shows a result.

    Args:
        mode: "swipe", "side", "overlay" or "map".
        shown: Ids of the classes that are shown.
        opacity: Opacity of the map, 0 to 1.
        lines: "roads", "polygons", or None for none.
        tiles: Address of the base map's tiles; "" for none.
    """

    mode: str
    shown: tuple[int, ...]
    opacity: float
    lines: VectorKind | None
    tiles: str


def choose_view(result: MappedImage, tiles: str) -> ViewOptions:
    """Let the user choose how a result is shown.

    Args:
        result: The result.
        tiles: Address of the base map's tiles; "" where there are none.

    Returns:
        What was chosen.
    """
    legend = result.legend
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in legend.colors]
    classes = st.pills(
        "Classes", range(legend.num_classes), selection_mode="multi", wrap=True,
        default=[index for index in range(legend.num_classes) if index != legend.background],
        format_func=lambda index: f":color[■]{{foreground=\"{colors[index]}\"}} {legend.names[index]}",
        key=f"classes {'/'.join(legend.names)}",
    )  # fmt: skip
    opacity = st.slider("Opacity of the map", 0, 100, 70, step=5, format="%d%%", key="opacity") / 100
    lines = st.segmented_control(
        "Draw on top", list(_LINES), format_func=_LINES.__getitem__, default="", key="lines", required=True
    )
    mode = str(st.session_state["mode"])
    help_text = "Your browser fetches it from the server of the tiles, which so learns where your image lies."
    with_tiles = bool(tiles) and mode == "map" and st.toggle("Base map", key="base map", help=help_text)
    return ViewOptions(mode, tuple(classes), opacity, _KINDS.get(lines or ""), tiles if with_tiles else "")


def choose_mode(result: MappedImage) -> None:
    """Let the user choose the mode of the viewer; a map only where the image has a place on the ground.

    Args:
        result: The result.
    """
    modes = [mode for mode in _MODES if mode != "map" or result.grid.is_georeferenced]
    if st.session_state.get("mode") not in modes:
        st.session_state["mode"] = "swipe"
    st.segmented_control(
        "View", modes, format_func=_MODES.__getitem__, key="mode", label_visibility="collapsed", required=True
    )


def choose_threshold(result: MappedImage) -> float | None:
    """Let the user choose the threshold of a two-class model.

    Args:
        result: The result.

    Returns:
        A probability; None for any other model.
    """
    bundle = result.bundle
    if bundle.num_outputs != 1 or result.probabilities is None:
        return None
    tuned = bundle.threshold if bundle.threshold is not None else 0.5
    name = bundle.legend.names[1]
    chosen = st.slider(
        f"Threshold for {name}", 0.01, 0.99, round(tuned, 2), step=0.01, key=f"threshold {result.model}",
        help=f"A pixel is {name} from this probability on. The model was tuned to {tuned:.2f}.",
    )  # fmt: skip
    return tuned if math.isclose(chosen, round(tuned, 2)) else float(chosen)


def choose_cleanup(result: MappedImage) -> CleanUpOptions:
    """Let the user choose a clean-up: one of the published ones, or steps of their own.

    Args:
        result: The result.

    Returns:
        Options of `postprocess`; empty for none.
    """
    kind = st.segmented_control("Clean-up", [*CLEAN_UPS, _OWN], default="Raw", key="cleanup", required=True)
    return _own_steps(result) if kind == _OWN else CLEAN_UPS[str(kind)]


def _own_steps(result: MappedImage) -> dict[str, Any]:
    columns = st.columns(2, vertical_alignment="bottom")
    median = columns[0].select_slider("Median window", [0, 3, 5, 7, 9], key="median", help="Pixels; 0 leaves it out.")
    holes = columns[1].number_input("Fill holes below", 0, 100_000, 0, step=16, key="holes", help="Pixels.")
    if result.grid.is_georeferenced:
        label, key, help_text = (
            "Smallest unit, m²",
            "min_area_m2",
            "The minimum mapping unit: smaller regions take their neighbour's class.",
        )
        smallest: float = columns[0].number_input(label, 0, 10_000_000, 100, step=50, key="unit", help=help_text)
    else:
        key = "sieve"
        smallest = columns[0].number_input("Sieve, pixels", 0, 1_000_000, 64, step=16, key="sieve")
    objects = columns[1].number_input("Remove objects below", 0, 100_000, 0, step=16, key="objects", help="Pixels.")
    steps = {"median": median, "fill_holes": holes, key: smallest, "remove_objects": objects}
    return {name: size for name, size in steps.items() if size}

"""The look of every figure: colours that all readers can tell apart, and how a figure becomes a file.

Figures are made with matplotlib's objects, never with pyplot, so nothing is shared between them or left open.
Colours: Okabe and Ito, Color universal design, 2008.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

__all__ = [
    "BLUE",
    "GREEN",
    "INK",
    "MUTED",
    "ORANGE",
    "PURPLE",
    "new_figure",
    "save_picture",
    "style_axes",
    "svg_from_figure",
    "write_figure",
]

INK, MUTED, FAINT = "#1f2329", "#6b7280", "#e3e6ea"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"

_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches that arranges its parts by itself."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout=_layout(), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _layout() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.04, hspace=0.05)


def style_axes(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Give axes the common look: title on the left, no box, a faint grid behind the data."""
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=10)
    axes.set_xlabel(xlabel, color=MUTED, fontsize=9)
    axes.set_ylabel(ylabel, color=MUTED, fontsize=9)
    axes.set_facecolor("none")
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(MUTED)


def write_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture as JPEG or, for any other suffix than .jpg, as PNG; whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    if path.suffix.lower() in {".jpg", ".jpeg"}:
        picture.convert("RGB").save(part, format="JPEG", quality=90, subsampling=0)
    else:
        picture.save(part, format="PNG")
    part.replace(path)


def svg_from_figure(figure: Figure, name: str) -> str:
    """A figure as SVG to stand inside a page: no background, lines and text in the page's own colours and font.

    `name` keeps the ids of several figures in one page apart; the same figure and name give the same text.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="([^"]*)"', r'\1 style="--width:\2"', svg, count=1)
    svg = svg.replace("'DejaVu Sans', 'Bitstream Vera Sans'", "inherit")
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    for color, variable in ((INK, "--ink"), (MUTED, "--muted"), (FAINT, "--line")):
        svg = svg.replace(color, f"var({variable})")
    return svg

"""The map of a report: a reduced scene with mask and roads over it, in layers that are switched without a script.

Roads are told apart by their probability, and by whether they were seen or fill a gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt
import shapely
from PIL import Image

from overland.errors import DataError
from overland.geo.grid import iter_windows
from overland.geo.measures import areas_m2, map_to_pixels, pixels_to_map, reprojected
from overland.legend import Legend
from overland.raster import Grid, Scene
from overland.reporting.html import data_uri
from overland.reporting.pictures import Picture, display_rgb

__all__ = [
    "GAP_FILLED_COLOR",
    "SEEN_COLOR",
    "ClassArea",
    "MapView",
    "RoadGroup",
    "fractions_of_mask",
    "lines_to_overview",
    "map_figure",
    "overview_of_mask",
    "overview_of_scene",
    "overview_step",
    "road_groups",
    "round_length",
]

SEEN_COLOR = "#fff36b"
GAP_FILLED_COLOR = "#ff8c1a"
_MOSTLY = 0.5
# From magenta to pale yellow lightness grows with confidence, and no step depends on telling red from green.
_STEPS: tuple[tuple[float, str, str], ...] = (
    (0.0, "#d6336c", "under 0.5"),
    (0.5, "#f0623a", "0.5 to 0.7"),
    (0.7, "#ffa02e", "0.7 to 0.9"),
    (0.9, SEEN_COLOR, "0.9 and more"),
)


@dataclass(frozen=True)
class RoadGroup:
    """Roads that are drawn alike.

    Args:
        label: Text of the legend.
        color: Colour as CSS writes it.
        dashed: Whether they are dashed.
        members: Their places in the list of all roads.
    """

    label: str
    color: str
    dashed: bool
    members: npt.NDArray[np.int64]


def road_groups(mean_p: Sequence[float] | None = None, gap_filled: Sequence[float] | None = None) -> list[RoadGroup]:
    """Group roads by their mean probability, or where that is unknown by seen and gap-filled.

    Args:
        mean_p: Mean probability of each road, NaN where unknown; None for none.
        gap_filled: Fraction of each road that lies over gaps; from a half on it is dashed. None for none.

    Returns:
        The groups that have a road, those of low confidence last so that they are drawn on top; empty without either.
    """
    if mean_p is None and gap_filled is None:
        return []
    probabilities = np.asarray(mean_p if mean_p is not None else np.full(len(gap_filled or ()), np.nan), float)
    dashed = np.zeros(len(probabilities), bool) if gap_filled is None else np.asarray(gap_filled, float) >= _MOSTLY
    step = np.searchsorted([low for low, *_ in _STEPS], probabilities, side="right") - 1
    known = np.isfinite(probabilities)
    groups = [
        _group(f"probability {label}", color, over_gap, known & (step == index) & (dashed == over_gap))
        for index, (_, color, label) in reversed(list(enumerate(_STEPS)))
        for over_gap in (False, True)
    ]
    groups += [
        _group("seen", SEEN_COLOR, False, ~known & ~dashed),
        _group("", GAP_FILLED_COLOR, True, ~known & dashed),
    ]
    return [group for group in groups if len(group.members)]


def _group(label: str, color: str, dashed: bool, chosen: npt.NDArray[np.bool_]) -> RoadGroup:
    text = ", ".join(part for part in (label, "mostly over a gap" if dashed else "") if part)
    return RoadGroup(text, color, dashed, np.flatnonzero(chosen))


_WINDOW = 2048
_SIMPLIFY_PX = 0.25

Lines = npt.NDArray[np.object_]
"""Lines of shapely, (lines,)."""
Points = npt.NDArray[np.float64]
"""The points of one line, across and down in pixels of the overview, (points, 2)."""


@dataclass(frozen=True)
class ClassArea:
    """The area of one class.

    Args:
        name: Name of the class.
        color: Its colour.
        fraction: Its fraction of the pixels with a class, 0 to 1.
        hectares: Its area; None where the map is not georeferenced.
    """

    name: str
    color: tuple[int, int, int]
    fraction: float
    hectares: float | None


def overview_step(grid: Grid, max_side: int = 1600) -> int:
    """Return the number of pixels along each axis that become one in an overview.

    Args:
        grid: The grid of the scene.
        max_side: Longest side of the overview, in pixels.
    """
    return max(1, math.ceil(max(grid.height, grid.width) / max_side))


def overview_of_scene(scene: Scene, step: int) -> Picture:
    """Reduce a scene for the eye.

    Args:
        scene: The scene.
        step: The mean of `step` x `step` pixels that hold data becomes one pixel.

    Returns:
        RGB, uint8 (height, width, 3).
    """
    bands = scene.data_bands[:3] if len(scene.data_bands) >= 3 else scene.data_bands[:1]
    shape = _reduced_shape(scene.grid, step)
    pixels, filled = np.zeros((len(bands), *shape), np.float32), np.zeros(shape, np.float32)
    for window in iter_windows(scene.height, scene.width, _WINDOW // step * step or step):
        values, valid = scene.read(window, bands)
        counts = _block_means(valid[None].astype(np.float32), step)
        sums = _block_means(np.where(valid, values, 0).astype(np.float32), step)
        rows, cols = window.row_off // step, window.col_off // step
        where = (slice(rows, rows + counts.shape[1]), slice(cols, cols + counts.shape[2]))
        filled[where] = counts[0]
        pixels[(slice(None), *where)] = sums / np.maximum(counts, 1e-6)
    # 8-bit scenes keep their own brightness; display_rgb stretches every other type.
    return display_rgb(pixels.astype(np.uint8) if scene.dtype == "uint8" else pixels, filled > 0)


def overview_of_mask(mask: Scene, legend: Legend, step: int) -> tuple[npt.NDArray[np.uint8], list[ClassArea]]:
    """Reduce a class map by averaging its colours, and measure the area of each class.

    Args:
        mask: The class map.
        legend: Its classes.
        step: `step` x `step` pixels become one.

    Returns:
        RGBA, uint8 (height, width, 4), background and pixels without a class transparent; and the area of each class
        over every pixel, by the rules of `geo.measures.areas_m2`.
    """
    # Averaging premultiplied colours keeps the edge of a class in its own colour instead of darkening it.
    table = np.zeros((256, 4), np.float32)
    for index, color in enumerate(legend.colors):
        if index != legend.background:
            table[index] = (*color, 1)
    overlay = np.zeros((4, *_reduced_shape(mask.grid, step)), np.float32)
    counts, areas = np.zeros(legend.num_classes), np.zeros(legend.num_classes)
    for window in iter_windows(mask.height, mask.width, _WINDOW // step * step or step):
        ids, valid = mask.read(window)
        ids = np.where(valid & (ids[0] < legend.num_classes), ids[0], 255).astype(np.uint8)
        found = np.bincount(ids.ravel(), minlength=256)[: legend.num_classes]
        counts += found
        # The sides are densified because a parallel, straight on the map, is no geodesic on the ground.
        outline = shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)
        outline = shapely.segmentize(outline, max(window.height, window.width) / 16)
        area_m2 = float(areas_m2(pixels_to_map(np.array([outline]), mask.grid), mask.grid.crs)[0])
        areas += found * (area_m2 / ids.size)
        means = _block_means(table[ids].transpose(2, 0, 1), step)
        rows, cols = window.row_off // step, window.col_off // step
        overlay[:, rows : rows + means.shape[1], cols : cols + means.shape[2]] = means
    overlay[:3] /= np.maximum(overlay[3], 1e-6)
    overlay[3] *= 255
    picture = np.rint(np.clip(overlay, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
    in_hectares = mask.grid.is_georeferenced
    hectares: Sequence[float | None] = (areas / 1e4).tolist() if in_hectares else [None] * legend.num_classes
    fractions = (counts / max(counts.sum(), 1)).tolist()
    rows_of_classes = zip(legend.names, legend.colors, fractions, hectares, strict=True)
    return picture, [ClassArea(*row) for row in rows_of_classes]


def fractions_of_mask(mask: Scene, step: int) -> dict[int, npt.NDArray[np.uint8]]:
    """Return the fraction of each reduced pixel that each class of a map fills.

    Args:
        mask: The class map.
        step: `step` x `step` pixels become one.

    Returns:
        By class id, uint8 (height, width), 255 where the class fills the pixel. Absent classes are left out.
    """
    shape = _reduced_shape(mask.grid, step)
    fractions: dict[int, npt.NDArray[np.uint8]] = {}
    for window in iter_windows(mask.height, mask.width, _WINDOW // step * step or step):
        ids, valid = mask.read(window)
        rows, cols = window.row_off // step, window.col_off // step
        for index in np.unique(ids[0][valid]).tolist():
            means = _block_means((valid & (ids[0] == index))[None].astype(np.float32), step)[0]
            part = fractions.setdefault(int(index), np.zeros(shape, np.uint8))
            part[rows : rows + means.shape[0], cols : cols + means.shape[1]] = np.rint(means * 255)
    return fractions


def lines_to_overview(lines: Lines, crs: str | None, grid: Grid, step: int) -> list[Points]:
    """Bring lines to the pixels of an overview.

    Args:
        lines: The lines.
        crs: Their CRS; None for none.
        grid: The grid of the scene.
        step: Pixels of the scene along each axis that became one.

    Returns:
        The points of each line.

    Raises:
        DataError: Only one of both has a CRS.
    """
    if (crs is None) != (grid.crs is None):
        raise DataError(
            f"The lines have the CRS {crs} and the scene {grid.crs}; both or none need one to be drawn together."
        )
    lines = reprojected(lines, crs, grid.crs)
    in_overview = shapely.transform(map_to_pixels(lines, grid), lambda xy: xy / step)
    moved = shapely.simplify(np.asarray(in_overview, dtype=object), _SIMPLIFY_PX)
    return [shapely.get_coordinates(line) for line in moved]


def _reduced_shape(grid: Grid, step: int) -> tuple[int, int]:
    return math.ceil(grid.height / step), math.ceil(grid.width / step)


def _block_means(values: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    bands, height, width = values.shape
    padded = np.pad(values, ((0, 0), (0, -height % step), (0, -width % step)))
    means: npt.NDArray[np.float32] = padded.reshape(
        bands, padded.shape[1] // step, step, padded.shape[2] // step, step
    ).mean(axis=(2, 4))
    return means


# The scale bar is about so much of the picture's width.
_BAR_FRACTION = 0.22


@dataclass(frozen=True)
class MapView:
    """A scene, with the mask and the vectors over it.

    Args:
        image: Overview of the scene, uint8 (height, width, 3).
        overlay: Class map, RGBA of the same size; None for none.
        areas: Area of each class.
        roads: Road lines, in pixels of the overview.
        groups: Colours of the roads; all are drawn alike when there are none.
        outlines: Outlines of polygons, in pixels of the overview.
        pixel_m: Size of a pixel of the overview in metres; None without a CRS.
        caption: Text below the map.
        facts: Names and values that are listed with the areas.
    """

    image: Picture
    overlay: npt.NDArray[np.uint8] | None = None
    areas: Sequence[ClassArea] = ()
    roads: Sequence[Points] = ()
    groups: Sequence[RoadGroup] = ()
    outlines: Sequence[Points] = ()
    pixel_m: float | None = None
    caption: str = ""
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def map_figure(view: MapView) -> str:
    """Return the map as HTML: its layers, a scale bar, and the area of each class.

    Args:
        view: The scene, with the mask and the vectors over it.
    """
    height, width = view.image.shape[:2]
    layers = [("mask", "Mask", view.overlay is not None), ("outlines", "Polygons", bool(view.outlines))]
    layers.append(("roads", "Roads", bool(view.roads)))
    shown = [(key, title) for key, title, exists in layers if exists]
    switches = "".join(f'<input type="checkbox" id="show-{key}" checked>' for key, _ in shown)
    labels = "".join(f'<label for="show-{key}">{title}</label>' for key, title in shown)
    overlay = ""
    if view.overlay is not None:
        overlay = f'<img class="layer-mask" src="{data_uri(Image.fromarray(view.overlay))}" alt="Mask over the scene">'
    drawn = _paths(view.outlines, "layer-outlines", closed=True)
    if view.groups:
        paths = [("".join(_path(view.roads[index]) for index in group.members), group) for group in view.groups]
        casing = "".join(f'<path class="casing" d="{path}"/>' for path, _ in paths)
        lines = "".join(f'<path style="{_stroke(group)}" d="{path}"/>' for path, group in paths)
        drawn += f'<g class="layer-roads">{casing}{lines}</g>'
    else:
        drawn += _paths(view.roads, "layer-roads")
    drawn += _scale_bar(view)
    return (
        f'<figure class="map">{switches}<div class="switches">{labels}</div><div class="stack">'
        f'<img src="{data_uri(Image.fromarray(view.image))}" alt="{escape(view.caption)}">{overlay}'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">{drawn}</svg></div>'
        f"{_road_key(view.groups)}<figcaption>{escape(view.caption)}</figcaption>{_area_table(view)}</figure>"
    )


def _paths(lines: Sequence[Points], layer: str, *, closed: bool = False) -> str:
    if not lines:
        return ""
    path = "".join(_path(line) + ("Z" if closed else "") for line in lines)
    # Two strokes: a dark casing below keeps the line visible on bright ground.
    return f'<g class="{layer}"><path class="casing" d="{path}"/><path d="{path}"/></g>'


def _stroke(group: RoadGroup) -> str:
    return f"stroke:{group.color}" + (";stroke-dasharray:6 5;stroke-linecap:butt" if group.dashed else "")


def _road_key(groups: Sequence[RoadGroup]) -> str:
    if not groups:
        return ""
    items = (
        f'<span><svg viewBox="0 0 28 8"><path class="casing" d="M0 4h28"/><path style="{_stroke(group)}" d="M0 4h28"/>'
        f"</svg>{escape(group.label)}</span>"
        for group in groups
    )
    return f'<p class="road-key">{"".join(items)}</p>'


def _path(line: Points) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist())


def _scale_bar(view: MapView) -> str:
    if not view.pixel_m:
        return ""
    height, width = view.image.shape[:2]
    metres = round_length(width * view.pixel_m * _BAR_FRACTION)
    length, size = metres / view.pixel_m, width / 44
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    left, bottom = width * 0.025, height - width * 0.03
    bar = f"M{left:.1f} {bottom:.1f}h{length:.1f}"
    return (
        f'<g class="scale-bar" style="font-size:{size:.1f}px"><path class="casing" d="{bar}"/><path d="{bar}"/>'
        f'<text x="{left:.1f}" y="{bottom - size * 0.6:.1f}">{text}</text></g>'
    )


def round_length(metres: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... metres that is no longer, for a scale bar.

    Args:
        metres: Longest length.
    """
    power = 10 ** np.floor(np.log10(metres))
    return float(max(step * power for step in (1, 2, 5) if step * power <= metres))


def _area_table(view: MapView) -> str:
    rows = ""
    for area in view.areas:
        red, green, blue = area.color
        swatch = f'<i class="swatch" style="background:rgb({red},{green},{blue})"></i>'
        hectares = ""
        if area.hectares is not None:
            hectares = f"{area.hectares:,.0f} ha" if area.hectares >= 1000 else f"{area.hectares:.4g} ha"
        rows += f"<tr><th>{swatch}{escape(area.name)}</th><td>{hectares}</td><td>{area.fraction:.1%}</td></tr>"
    rows += "".join(f"<tr><th>{escape(name)}</th><td colspan=2>{escape(value)}</td></tr>" for name, value in view.facts)
    return f'<div class="scroll"><table class="areas"><tbody>{rows}</tbody></table></div>' if rows else ""

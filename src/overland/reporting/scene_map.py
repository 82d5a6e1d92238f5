"""The map of a report from files: a scene, its mask and its vectors become a view, or a picture of the map alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.patheffects import Normal, Stroke

from overland.errors import DataError, UsageError
from overland.geo.alignment import check_same_grid
from overland.geo.measures import lengths_m, map_to_pixels, reprojected
from overland.legend import legend_from_names
from overland.output import check_output
from overland.raster import Grid, open_scene
from overland.reporting.figures import INK, new_figure, write_figure
from overland.reporting.map_figure import (
    GAP_FILLED_COLOR,
    SEEN_COLOR,
    ClassArea,
    MapView,
    Points,
    RoadGroup,
    lines_to_overview,
    overview_of_mask,
    overview_of_scene,
    overview_step,
    road_groups,
    round_length,
)
from overland.reporting.pictures import Picture
from overland.vector import Layer, read_layer, read_lines

__all__ = [
    "check_map_picture",
    "map_view",
    "write_map_picture",
    "write_polygon_picture",
    "write_road_picture",
]

Lines = Sequence[Points]

_WIDTH_IN = 7.5
_LINE_PT = 1.4
_CASING = [Stroke(linewidth=_LINE_PT + 1.4, foreground=(0, 0, 0, 0.7)), Normal()]
_DASHES = (0, (3, 2))
_BAR_FRACTION = 0.22
_SAME_PX = 4


def write_road_picture(
    path: str | Path,
    image: Picture,
    lines: Lines,
    groups: Sequence[RoadGroup] = (),
    *,
    before: Lines | None = None,
    pixel_m: float | None = None,
) -> None:
    """Draw roads over an image as PNG, each group in its colour.

    Args:
        path: The file.
        image: The image, uint8 (height, width, 3).
        lines: Points of each road, in pixels of the image.
        groups: Colours of the roads, see `road_groups`; all are drawn alike when there are none.
        before: The roads before gaps were filled: both stand side by side, and the roads that were added are dashed.
        pixel_m: Size of a pixel in metres; None for no scale bar.
    """
    titles = ["Roads"] if before is None else ["Before gaps were filled", "After"]
    figure, panels = _panels(image, titles, pixel_m)
    if before is not None:
        _draw_lines(panels[0], before, SEEN_COLOR, dashed=False)
    for group in groups or [RoadGroup("", SEEN_COLOR, False, np.arange(len(lines)))]:
        _draw_lines(panels[-1], [lines[index] for index in group.members], group.color, dashed=group.dashed)
    handles = [_line_key(group.label, group.color, group.dashed) for group in groups]
    if before is not None:
        known = shapely.union_all([shapely.LineString(line) for line in before]).buffer(_SAME_PX)
        rest = shapely.get_parts(shapely.difference([shapely.LineString(line) for line in lines], known))
        # What is shorter has been smoothed otherwise, and was there before.
        added = [shapely.get_coordinates(part) for part in rest[shapely.length(rest) > _SAME_PX]]
        # A dark bed first, since the gaps between dashes would show the road that lies below.
        _draw_lines(panels[-1], added, INK, dashed=False)
        _draw_lines(panels[-1], added, GAP_FILLED_COLOR, dashed=True)
        handles.append(_line_key("gap-filled", GAP_FILLED_COLOR, True))
    _add_legend(figure, handles)
    write_figure(figure, path)


def write_polygon_picture(
    path: str | Path,
    image: Picture,
    polygons: npt.NDArray[Any],
    names: Sequence[str],
    colors: dict[str, tuple[int, int, int]],
    *,
    pixel_m: float | None = None,
) -> None:
    """Draw polygons over an image as PNG, filled with the colour of their class, with a legend of the classes.

    Args:
        path: The file.
        image: The image, uint8 (height, width, 3).
        polygons: The polygons (polygons,) in pixels of the image, x across and y down.
        names: Class of each.
        colors: Colour of each class by its name.
        pixel_m: Size of a pixel in metres; None for no scale bar.
    """
    figure, (axes,) = _panels(image, ["Polygons"], pixel_m)
    shown = [name for name in colors if name in set(names)]
    for name in shown:
        chosen = polygons[np.asarray(names, dtype=object) == name]
        rings = shapely.get_rings(shapely.normalize(chosen))
        outline = Outline.make_compound_path(*(Outline(shapely.get_coordinates(ring), closed=True) for ring in rings))
        axes.add_patch(PathPatch(outline, facecolor=(*_rgb(colors[name]), 0.55), edgecolor="white", lw=0.5))
    _add_legend(figure, [Patch(facecolor=_rgb(colors[name]), edgecolor=INK, lw=0.5, label=name) for name in shown])
    write_figure(figure, path)


def _panels(image: Picture, titles: Sequence[str], pixel_m: float | None) -> tuple[Figure, list[Axes]]:
    height, width = image.shape[:2]
    figure = new_figure(_WIDTH_IN * len(titles), _WIDTH_IN * height / width + 0.6)
    panels = []
    for number, title in enumerate(titles, 1):
        axes = figure.add_subplot(1, len(titles), number)
        axes.imshow(image, extent=(0, width, height, 0), interpolation="antialiased")
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        panels.append(axes)
    if pixel_m:
        metres = round_length(width * pixel_m * _BAR_FRACTION)
        left, bottom = width * 0.025, height - width * 0.03
        text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        casing = [Stroke(linewidth=5, foreground="black"), Normal()]
        panels[0].plot([left, left + metres / pixel_m], [bottom, bottom], color="white", lw=2.5, path_effects=casing)
        edge, y = [Stroke(linewidth=2.5, foreground="black"), Normal()], bottom - width * 0.012
        panels[0].text(left, y, text, color="white", fontsize=9, fontweight="bold", path_effects=edge)
    return figure, panels


def _draw_lines(axes: Axes, lines: Lines, color: str, *, dashed: bool) -> None:
    style = _DASHES if dashed else "solid"
    drawn = LineCollection(list(lines), colors=color, linewidths=_LINE_PT, linestyles=[style], path_effects=_CASING)
    axes.add_collection(drawn, autolim=False)


def _add_legend(figure: Figure, handles: Sequence[Any]) -> None:
    if handles:
        figure.legend(
            handles=list(handles), loc="outside lower left", ncols=min(len(handles), 4), frameon=False, fontsize=9
        )


def _line_key(label: str, color: str, dashed: bool) -> Line2D:
    return Line2D([], [], color=color, lw=2, ls=_DASHES if dashed else "-", path_effects=_CASING, label=label)


def _rgb(color: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = color
    return red / 255, green / 255, blue / 255


_POLYGON = int(shapely.GeometryType.POLYGON)


def map_view(
    scene: str | Path,
    mask: str | Path | None = None,
    roads: str | Path | None = None,
    polygons: str | Path | None = None,
) -> MapView:
    """Read a scene, reduced, with the mask and the vectors over it.

    Args:
        scene: The scene.
        mask: Its class map; None for none.
        roads: Road lines; None for none.
        polygons: Polygons; None for none.

    Returns:
        The view, for `map_figure`.

    Raises:
        DataError: A file cannot be read, or the mask does not lie on the scene.
    """
    with open_scene(scene, expand_palette=True) as image:
        grid = image.grid
        step = overview_step(grid)
        picture = overview_of_scene(image, step)
    overlay, areas = _mask_layer(mask, scene, grid, step) if mask else (None, [])
    lines, groups, facts = _road_layer(roads, grid, step) if roads else ([], [], [])
    outlines: list[Points] = []
    if polygons:
        layer = read_layer(polygons)
        parts: npt.NDArray[Any] = shapely.get_parts(layer.geometries)
        rings = shapely.get_rings(parts[shapely.get_type_id(parts) == _POLYGON])
        outlines = lines_to_overview(np.asarray(rings, dtype=object), layer.crs, grid, step)
    resolution = grid.resolution_m
    pixel = f", {resolution:.3g} m a pixel" if resolution else ""
    return MapView(
        image=picture,
        overlay=overlay,
        areas=areas,
        roads=lines,
        groups=groups,
        outlines=outlines,
        pixel_m=None if resolution is None else resolution * step,
        caption=f"{Path(scene).name}: {grid.width:,} x {grid.height:,} pixels{pixel}, {grid.crs or 'no CRS'}.",
        facts=facts,
    )


def check_map_picture(
    path: str | Path,
    vectors: str | Path | None,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Check that a picture of the map can be written.

    Args:
        path: The file.
        vectors: Roads or polygons that it shows; None where there are none.
        overwrite: Whether a file that exists is replaced.
        inputs: Files that are read.

    Raises:
        UsageError: It may not be written, or would show no vectors.
    """
    if vectors is None:
        raise UsageError("A picture of the map shows roads or polygons: give --roads or --polygons.")
    check_output(path, suffixes=(".png",), overwrite=overwrite, inputs=inputs)


def write_map_picture(
    path: str | Path,
    scene: str | Path,
    *,
    roads: str | Path | None = None,
    roads_before: str | Path | None = None,
    polygons: str | Path | None = None,
) -> None:
    """Draw roads over a scene as PNG, coloured by confidence; or polygons filled by class where there are no roads.

    Args:
        path: The file.
        scene: The scene.
        roads: Road lines; None for none.
        roads_before: The roads before gaps were filled, drawn next to them; None for none.
        polygons: Polygons; None for none.
    """
    view = map_view(scene, roads=roads)
    if roads is not None:
        before = None if roads_before is None else map_view(scene, roads=roads_before).roads
        write_road_picture(path, view.image, view.roads, view.groups, before=before, pixel_m=view.pixel_m)
    elif polygons is not None:
        shapes, names = _polygons_by_name(polygons, scene)
        legend = legend_from_names(sorted(set(names)) or ["polygons"])
        colors = dict(zip(legend.names, legend.colors, strict=True))
        write_polygon_picture(path, view.image, shapes, names, colors, pixel_m=view.pixel_m)


def _polygons_by_name(path: str | Path, scene: str | Path) -> tuple[npt.NDArray[Any], list[str]]:
    with open_scene(scene) as image:
        grid = image.grid
    step, layer = overview_step(grid), read_layer(path)
    shapes, shape_of = shapely.get_parts(layer.geometries, return_index=True)
    is_polygon = shapely.get_type_id(shapes) == _POLYGON
    shapes = reprojected(np.asarray(shapes[is_polygon], dtype=object), layer.crs, grid.crs)
    names = [str(name) for name in layer.fields.get("name", np.full(len(layer), layer.name, dtype=object))]
    in_overview = shapely.transform(map_to_pixels(shapes, grid), lambda xy: xy / step)
    return np.asarray(in_overview, dtype=object), [names[index] for index in shape_of[is_polygon]]


def _mask_layer(
    path: str | Path, scene: str | Path, grid: Grid, step: int
) -> tuple[npt.NDArray[np.uint8], list[ClassArea]]:
    with open_scene(path) as mask:
        names = (str(scene), str(path))
        check_same_grid(grid, mask.grid, names, advice="Give the mask that was predicted from this scene.")
        if mask.legend is None:
            raise DataError(
                f"{path} carries no class names (in {Path(path).name}.aux.xml); give a mask that Overland wrote, with "
                "the file next to it."
            )
        return overview_of_mask(mask, mask.legend, step)


def _road_layer(path: str | Path, grid: Grid, step: int) -> tuple[list[Points], list[RoadGroup], list[tuple[str, str]]]:
    layer = read_layer(path)
    lines, crs = read_lines(path)
    drawn = lines_to_overview(lines, crs, grid, step)
    groups = road_groups(_of_each_line(layer, "mean_p"), _of_each_line(layer, "gap_filled"))
    count = f"{len(lines):,} line{'' if len(lines) == 1 else 's'}"
    if crs is None:
        return drawn, groups, [("Road network", count)]
    return drawn, groups, [("Road network", f"{lengths_m(lines, crs).sum() / 1000:,.2f} km in {count}")]


def _of_each_line(layer: Layer, field: str) -> list[float] | None:
    """Return a field of numbers for each single line, None when there is none."""
    if field not in layer.fields or layer.fields[field].dtype.kind not in "fiub":
        return None
    _, line_of = shapely.get_parts(layer.geometries, return_index=True)
    return [float(value) for value in layer.fields[field][line_of]]

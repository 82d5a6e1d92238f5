"""The picture of the whole chain, for the README and the docs: scene, class map, vectors, areas.

    overland demo
    python runs/chain_picture.py demo docs/images/chain.jpg [--row 2040 --col 300]

All imagery in it is made. The areas are those of the whole map, as `overland areas` measures them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from PIL import Image, ImageDraw, ImageFont

from overland.legend import Legend
from overland.raster import Grid, Window, open_scene
from overland.vector import read_layer
from overland.workflows.areas import areas

SIDE, GAP, HEAD, FOOT = 420, 20, 56, 24
CAPTIONS = ("scene", "class map", "polygons, roads", "areas")
VERBS = ("overland predict", "overland vectorize", "overland areas")
PAPER, INK, MUTED, ACCENT = (255, 255, 255), (31, 35, 41), (100, 107, 118), (0, 121, 107)

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Draw the four panels side by side, each under what it is and the verb that makes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--row", type=int, default=2040)
    parser.add_argument("--col", type=int, default=300)
    arguments = parser.parse_args()
    window = Window(col_off=arguments.col, row_off=arguments.row, width=SIDE * 2, height=SIDE * 2)
    demo: Path = arguments.demo
    with open_scene(demo / "scene.tif") as scene, open_scene(demo / "map.tif") as class_map:
        image = scene.read(window)[0].transpose(1, 2, 0)
        mask, legend = class_map.read(window)[0][0], class_map.legend
        grid = scene.grid.cropped(window)
    assert legend is not None
    colors = np.array(legend.colors, np.uint8)[mask]
    vectors = vectors_over(image, demo / "polygons.gpkg", demo / "roads.gpkg", grid, legend)
    panels = [Image.fromarray(image), Image.fromarray(colors), vectors, areas_panel(demo / "map.tif", legend)]
    sheet([panel.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for panel in panels]).save(arguments.output, quality=90)


def sheet(panels: Sequence[Image.Image]) -> Image.Image:
    """Panels in a row, what each shows above it, the verb that leads to it below."""
    page = Image.new("RGB", (len(panels) * (SIDE + GAP) - GAP, SIDE + HEAD + FOOT), PAPER)
    draw = ImageDraw.Draw(page)
    for index, (panel, caption) in enumerate(zip(panels, CAPTIONS, strict=True)):
        left = index * (SIDE + GAP)
        page.paste(panel, (left, HEAD))
        draw.text((left, HEAD - 14), caption, INK, font(26), anchor="ls")
        if index:
            width = draw.textlength(VERBS[index - 1], font(18, mono=True))
            right = left + SIDE - 2
            draw.text((right - width, HEAD - 15), VERBS[index - 1], ACCENT, font(18, mono=True), anchor="ls")
    draw.text((0, HEAD + SIDE + 18), "Made imagery: nothing in it exists.", MUTED, font(15), anchor="ls")
    return page


def vectors_over(image: Pixels, polygons: Path, roads: Path, grid: Grid, legend: Legend) -> Image.Image:
    """The scene faded, polygons of land filled lightly with their outlines, roads as lines between nodes."""
    faded = Image.fromarray((image * 0.5 + 255 * 0.5).astype(np.uint8))
    draw = ImageDraw.Draw(faded, "RGBA")
    land = read_layer(polygons)
    for index in np.argsort(-shapely.area(land.geometries)):  # what lies in a hole is drawn over it
        shape, name = land.geometries[index], land.fields["name"][index]
        if name != "road":
            color = legend.colors[legend.id_from_name(name)]
            for ring in rings_in(shape, grid):
                draw.polygon(ring, fill=(*color, 70))
                draw.line(ring, fill=(*(value * 2 // 3 for value in color), 255), width=2)
    for line in read_layer(roads).geometries:
        points = to_pixels(line, grid)
        draw.line(points, fill=(200, 50, 20), width=5, joint="curve")
        for column, row in (points[0], points[-1]):
            draw.ellipse((column - 6, row - 6, column + 6, row + 6), fill=(24, 44, 92))
    return faded


def rings_in(shape: Any, grid: Grid) -> list[list[tuple[float, float]]]:
    """Outer rings of what lies in the grid, in its pixels."""
    inside = shapely.intersection(shape, shapely.box(*grid.bounds))
    parts = [part for part in shapely.get_parts(inside) if part.geom_type == "Polygon" and not part.is_empty]
    return [to_pixels(part.exterior, grid) for part in parts]


def to_pixels(line: Any, grid: Grid) -> list[tuple[float, float]]:
    """Vertices as columns and rows of the grid."""
    xs, ys = shapely.get_coordinates(line).T
    cols, rows = ~grid.transform * (xs, ys)
    return list(zip(cols.tolist(), rows.tolist(), strict=True))


def areas_panel(mask: Path, legend: Legend) -> Image.Image:
    """Hectares of each class of the whole map, with a bar for its fraction."""
    measured = areas(mask).to_dict()["classes"]
    panel = Image.new("RGB", (SIDE * 2, SIDE * 2), (246, 247, 248))
    draw = ImageDraw.Draw(panel)
    step = 2 * SIDE // (legend.num_classes + 1)
    for row, color in zip(measured, legend.colors, strict=True):
        area_row(draw, step // 2 + row["id"] * step, color, row)
    total = sum(row["area_ha"] for row in measured)
    draw.text((40, 2 * SIDE - 44), f"of the whole map, {total:.0f} ha", MUTED, font(32), anchor="ls")
    return panel


def area_row(draw: ImageDraw.ImageDraw, top: int, color: Sequence[int], values: Mapping[str, Any]) -> None:
    """One class: its name, its hectares, and its fraction as a bar."""
    draw.text((40, top + 30), values["name"], INK, font(38), anchor="ls")
    draw.text((2 * SIDE - 40, top + 30), f"{values['area_ha']:.1f} ha", INK, font(38), anchor="rs")
    length = 2 * SIDE - 80
    draw.rounded_rectangle((40, top + 48, 40 + length, top + 68), 10, fill=(226, 229, 232))
    filled = max(round(length * values["fraction"]), 20)
    draw.rounded_rectangle((40, top + 48, 40 + filled, top + 68), 10, fill=tuple(color))


def font(size: int, *, mono: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu, which matplotlib brings along."""
    import matplotlib

    name = "DejaVuSansMono.ttf" if mono else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)


if __name__ == "__main__":
    main()

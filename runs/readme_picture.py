"""The picture of the README: a part of the demo's scene, its class map, and its roads and polygons as lines.

    python runs/readme_picture.py DEMO OUTPUT.jpg [--row 1400 --col 1400]

DEMO is the folder that `overland demo` left.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import shapely
from PIL import Image, ImageDraw

from overland.raster import Grid, Window, open_scene
from overland.vector import read_lines

HEIGHT, WIDTH, GAP = 720, 560, 8


def main() -> None:
    """Draw the three panels side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--row", type=int, default=1400)
    parser.add_argument("--col", type=int, default=1400)
    arguments = parser.parse_args()
    window = Window(arguments.row, arguments.col, HEIGHT, WIDTH)
    with open_scene(arguments.demo / "scene.tif") as scene, open_scene(arguments.demo / "map.tif") as class_map:
        image = scene.read(window)[0].transpose(1, 2, 0)
        mask = class_map.read(window)[0][0]
        legend, grid = class_map.legend, scene.grid.cropped(window)
    assert legend is not None
    colors = np.array(legend.colors, np.uint8)[mask]
    panels = [image, colors, np.asarray(_roads_over(image, arguments.demo / "roads.gpkg", grid))]
    gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    sheet = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)
    Image.fromarray(sheet).save(arguments.output, quality=88)


def _roads_over(image: np.ndarray, roads: Path, grid: Grid) -> Image.Image:
    faded = Image.fromarray((image * 0.45 + 255 * 0.55).astype(np.uint8))
    draw = ImageDraw.Draw(faded)
    transform = grid.transform
    for line in read_lines(roads)[0]:
        xs, ys = shapely.get_coordinates(line).T
        cols, rows = (xs - transform.c) / transform.a, (ys - transform.f) / transform.e
        points = [(float(col), float(row)) for col, row in zip(cols, rows, strict=True)]
        draw.line(points, fill=(200, 60, 30), width=3, joint="curve")
        for col, row in (points[0], points[-1]):
            draw.ellipse((col - 4, row - 4, col + 4, row + 4), fill=(30, 60, 110))
    return faded


if __name__ == "__main__":
    main()

"""The files that the how-to's start from, made: scenes, labels as if drawn by hand, true roads, zones, models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from overland.raster import open_scene, write_class_map
from overland.synthetic import LANDSCAPE_LEGEND, synthetic_landscape
from overland.vector import Layer, read_layer, write_features
from overland.workflows.vectorize import vectorize
from scenes import write_image

__all__ = ["answer_by_truth", "lay_out"]

EXAMPLE = Path(__file__).resolve().parent.parent / "src/overland/web/example"


def lay_out(folder: Path, side: int) -> None:
    """Make everything that the pages under docs/howto name before they make it themselves."""
    for name in ("roads", "landcover"):
        shutil.copytree(EXAMPLE / name, folder / f"runs/segment/{name}/weights/best")
    _lay_out_town(folder, side)
    _lay_out_labels(folder, side // 4)


def answer_by_truth(points: Path, truth: Path) -> None:
    """Fill the field `reference` of sample points, as a person would in QGIS; here the truth is known."""
    layer = read_layer(points)
    with open_scene(truth) as scene:
        ids = scene.read(scene.grid.window)[0][0]
        inverse = ~scene.grid.transform
    cols, rows = inverse @ np.stack([shapely.get_x(layer.geometries), shapely.get_y(layer.geometries)])
    names = np.array(LANDSCAPE_LEGEND.names, object)[ids[rows.astype(int), cols.astype(int)]]
    fields = {**layer.fields, "reference": names}
    write_features(points, [Layer(layer.name, "Point", layer.geometries, fields, layer.crs)], overwrite=True)


def _lay_out_town(folder: Path, side: int) -> None:
    town = synthetic_landscape(77, side, side)
    left, bottom, right, top = town.grid.bounds
    write_image(folder / "scene.tif", town.image, town.grid)
    write_class_map(folder / "truth.tif", town.mask, town.grid, LANDSCAPE_LEGEND)
    middle = (left + right) / 2
    halves = [shapely.box(left, bottom, middle, top), shapely.box(middle, bottom, right, top)]
    names = np.array(["Westham", "Eastham"], object)
    _write(folder / "parishes.gpkg", "Polygon", halves, town.grid.crs, {"name": names})
    _write(folder / "town.gpkg", "Polygon", [shapely.box(left, bottom, right, top).buffer(-side / 20)], town.grid.crs)
    roads = [shapely.LineString(road.line) for road in town.roads]
    _write(folder / "true_roads.gpkg", "LineString", roads, town.grid.crs)


def _lay_out_labels(folder: Path, side: int) -> None:
    polygons: list[shapely.Polygon] = []
    classes: list[str] = []
    for seed, name in enumerate(("north", "south", "east", "west"), start=21):
        part = synthetic_landscape(seed, side, side)
        write_image(folder / f"my-dataset/images/{name}.tif", part.image, part.grid)
        write_class_map(folder / f"{name}.tif", part.mask, part.grid, LANDSCAPE_LEGEND)
        vectorize(folder / f"{name}.tif", folder / f"{name}.gpkg", classes=["forest", "water"])
        drawn = read_layer(folder / f"{name}.gpkg")
        polygons += list(drawn.geometries)
        classes += list(drawn.fields["name"])
    _write(folder / "labels.gpkg", "Polygon", polygons, part.grid.crs, {"class": np.array(classes, object)})


def _write(path: Path, kind: str, shapes: list[Any], crs: str | None, fields: dict[str, Any] | None = None) -> None:
    write_features(path, [Layer(path.stem, kind, np.array(shapes, object), fields or {}, crs)])

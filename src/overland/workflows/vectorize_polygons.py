"""The polygons of a class map as `vectorize` writes them: traced, maybe squared, with area and mean score."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.raster import Window
from overland.raster.burn import burn_shapes
from overland.raster.features import stored_mask
from overland.vector import (
    Layer,
    areas_m2,
    pixel_size_m,
    pixels_to_map,
    plan_bands,
    polygons_from_mask,
    regularized,
    simplified_coverage,
)
from overland.workflows.vectorize_input import ClassMap, ScoreMap, open_class_scores

__all__ = ["mean_scores", "polygons_from_class_map"]

Polygons = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Two would leave the steps of outlines that run nearly along rows or columns; more takes corners off fields.
_TOLERANCE_PIXELS = 3.0
# The stairs of a traced line stray by up to 1 from a chord between their corners.
_MIN_NOISE_PIXELS = 1.5


def polygons_from_class_map(
    class_map: ClassMap,
    classes: Sequence[int],
    *,
    min_pixels: int,
    simplify_m: float | None,
    scores: str | Path | None,
    regularize: bool,
    folder: Path,
) -> tuple[list[Layer], dict[str, Any]]:
    """Make the layer `polygons` of some classes, and count them; the options are those of `vectorize`.

    `folder` is a place on the disk for the mask, which may be too large for memory.
    """
    with ExitStack() as files:
        score_maps = None if scores is None else files.enter_context(open_class_scores(scores, class_map, classes))
        polygons, outlines, ids = _traced(class_map, classes, min_pixels, simplify_m, folder)
        means = {} if score_maps is None else {"mean_p": mean_scores(polygons, ids, score_maps)}
    if regularize:
        polygons = _squared(polygons, outlines, class_map, _tolerance(class_map, simplify_m))
    polygons = pixels_to_map(polygons, class_map.grid)
    areas = areas_m2(polygons, class_map.crs)
    names = np.array(class_map.legend.names, dtype=object)
    fields = {"class": ids.astype(np.int32), "name": names[ids], "area_m2": areas, **means}
    per_class = {
        str(names[index]): {"count": int((ids == index).sum()), "area_m2": float(areas[ids == index].sum())}
        for index in classes
    }
    layer = Layer("polygons", "Polygon", polygons, fields, class_map.crs)
    return [layer], {"polygons": len(layer), "area_m2": float(areas.sum()), "classes": per_class}


def mean_scores(polygons: Polygons, ids: Ids, score_maps: dict[int, ScoreMap]) -> Floats:
    """Mean score of its class over the pixels whose centre lies in a polygon, NaN where none is known.

    `polygons`, in pixels, do not overlap; `ids` are their classes, of each of which `score_maps` has the scores.
    """
    sums, counts = np.zeros(len(polygons)), np.zeros(len(polygons), dtype=np.int64)
    for index, scores in score_maps.items():
        of_class = np.flatnonzero(ids == index)
        tops, bottoms = shapely.bounds(polygons[of_class]).reshape(-1, 4)[:, [1, 3]].T
        for band in plan_bands(scores.scene.height, scores.scene.width):
            near = of_class[(tops < band.row_off + band.height) & (bottoms > band.row_off)]
            _add_band(polygons, near, scores, band, sums, counts)
    means = np.full(len(polygons), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return means


def _add_band(
    polygons: Polygons, near: Ids, scores: ScoreMap, band: Window, sums: Floats, counts: npt.NDArray[np.int64]
) -> None:
    if not len(near):
        return
    numbers = burn_shapes(polygons[near], np.arange(1, len(near) + 1), band, dtype="int32")
    values = scores.read(band)
    known = (numbers > 0) & ~np.isnan(values)
    places = near[numbers[known] - 1]
    # One pixel after the other, so that the bands do not show in the last digit.
    np.add.at(sums, places, values[known].astype(float))
    np.add.at(counts, places, 1)


def _traced(
    class_map: ClassMap, classes: Sequence[int], min_pixels: int, simplify_m: float | None, folder: Path
) -> tuple[Polygons, Polygons, Ids]:
    """Polygons of the classes, simplified and along the edges of pixels, and their ids."""
    height, width = class_map.grid.height, class_map.grid.width
    parts = ((band, *class_map.read(band)) for band in plan_bands(height, width))
    # GDAL goes through stored masks line by line; the disk of the output is known to have room.
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".overland-") as store,
        stored_mask(Path(store), height, width, parts) as (mask, valid),
    ):
        outlines, ids = polygons_from_mask(mask, valid=valid, min_pixels=min_pixels, tolerance=0)
    polygons = simplified_coverage(outlines, _tolerance(class_map, simplify_m))
    is_wanted = np.isin(ids, classes)
    return polygons[is_wanted], outlines[is_wanted], ids[is_wanted]


def _tolerance(class_map: ClassMap, simplify_m: float | None) -> float:
    width_m, height_m = pixel_size_m(class_map.grid)
    return _TOLERANCE_PIXELS if simplify_m is None else simplify_m / (width_m * height_m) ** 0.5


def _squared(polygons: Polygons, outlines: Polygons, class_map: ClassMap, tolerance: float) -> Polygons:
    """The outlines squared in the plane of the ground, or the simplified polygons where they cannot be."""
    width_m, height_m = pixel_size_m(class_map.grid)
    # Angles are right on the ground, and the area is still counted in pixels.
    stretch = np.array([width_m, height_m]) / (width_m * height_m) ** 0.5
    noise = max(tolerance / 2, _MIN_NOISE_PIXELS)
    result = polygons.copy()
    for index, outline in enumerate(shapely.transform(outlines, lambda xy: xy * stretch)):
        squared = regularized(outline, noise=noise)
        if squared is not outline:
            result[index] = shapely.transform(squared, lambda xy: xy / stretch)
    return result

"""A mask to vectors: polygons that share their borders, or a road graph."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import UsageError
from overland.raster import Grid, Window
from overland.raster.class_map import (
    ClassMap,
    ProbabilityMap,
    open_class_map,
    open_class_probabilities,
    open_probabilities,
)
from overland.raster.features import burn_shapes, stored_mask
from overland.vector import (
    GRAPH_SUFFIXES,
    Layer,
    RoadPixels,
    areas_m2,
    check_vector_output,
    graph_to_map,
    layers_from_graph,
    pixel_size_m,
    pixels_to_map,
    plan_row_blocks,
    polygons_from_mask,
    regularized,
    road_graph_from_pixels,
    simplified_coverage,
    write_features,
)

__all__ = [
    "mean_probabilities",
    "polygons_from_class_map",
    "vectorize",
]


# The polygons of a class map as `vectorize` writes them: traced, maybe squared, with area and mean score.

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
        score_maps = (
            None if scores is None else files.enter_context(open_class_probabilities(scores, class_map, classes))
        )
        polygons, outlines, ids = _traced(class_map, classes, min_pixels, simplify_m, folder)
        means = {} if score_maps is None else {"mean_p": mean_probabilities(polygons, ids, score_maps)}
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


def mean_probabilities(polygons: Polygons, ids: Ids, score_maps: dict[int, ProbabilityMap]) -> Floats:
    """Mean score of its class over the pixels whose centre lies in a polygon, NaN where none is known.

    `polygons`, in pixels, do not overlap; `ids` are their classes, of each of which `score_maps` has the scores.
    """
    sums, counts = np.zeros(len(polygons)), np.zeros(len(polygons), dtype=np.int64)
    for index, scores in score_maps.items():
        of_class = np.flatnonzero(ids == index)
        tops, bottoms = shapely.bounds(polygons[of_class]).reshape(-1, 4)[:, [1, 3]].T
        for band in plan_row_blocks(scores.scene.height, scores.scene.width):
            near = of_class[(tops < band.row_off + band.height) & (bottoms > band.row_off)]
            _add_band(polygons, near, scores, band, sums, counts)
    means = np.full(len(polygons), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return means


def _add_band(
    polygons: Polygons, near: Ids, scores: ProbabilityMap, band: Window, sums: Floats, counts: npt.NDArray[np.int64]
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
    parts = ((band, *class_map.read(band)) for band in plan_row_blocks(height, width))
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


logger = logging.getLogger("overland")

_KINDS = ("polygons", "roads")
_MIN_PIXELS = 64


def vectorize(
    mask: str | Path,
    output: str | Path,
    *,
    kind: str = "polygons",
    classes: Sequence[str] | None = None,
    min_area_m2: float | None = None,
    simplify_m: float | None = None,
    min_spur_m: float = 10.0,
    min_length_m: float = 20.0,
    max_gap_m: float = 30.0,
    scores: str | Path | None = None,
    low_threshold: float | None = None,
    regularize: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Turn a class map of any size into a vector file and say what is in it.

    `kind` "polygons" writes a layer `polygons` (class, name, area_m2) of the `classes` named, by default all but the
    background. "roads" writes the layers `edges` (u, v, name, length_m, width_m, bridged) and `nodes` of one class, by
    default the one called road or the only one on a background. The suffix decides the format: `.gpkg` holds both
    layers, `.geojson` and `.parquet` the first alone, `.graphml` a road graph as osmnx loads it. GeoJSON is in
    longitude and latitude, the others keep the CRS. Without a CRS metres mean pixels, and so do the coordinates.

    `min_area_m2` (default 64 pixels) is the smallest region that is kept, `simplify_m` (default 3 pixels for polygons,
    1 for roads) the detail that is given up; `regularize` squares polygons, see `vector.regularized`, which then may
    overlap and leave gaps; the others are for roads, see `vector.road_graph_from_pixels`. `scores` are the
    probabilities that `predict` wrote with the mask. Polygons then carry `mean_p`, that of their class over the pixels
    within (before they are squared). Roads are followed on from the mask where they are `low_threshold` at least
    (default: 0.6 of the threshold that the mask was made with), gaps are crossed where they are highest, and edges
    carry `mean_p` and `min_p`.

    The mask is gone through in bands, which the result does not depend on. Roads need a bit or two a pixel and the
    graph; polygons need two or three bytes a pixel on the disk of the output, and some 100 in memory for each pixel
    edge on a border between regions.
    Raises `UsageError` for options and outputs that make no sense, `DataError` for a file that is no class map.
    """
    _check_options(kind, classes, [min_area_m2, simplify_m, min_spur_m, min_length_m, max_gap_m, low_threshold])
    _check_kind(kind, output, regularize)
    output = check_vector_output(output, overwrite=overwrite)
    with open_class_map(mask) as class_map:
        _say_units(class_map, output)
        if kind == "polygons":
            wanted = _polygon_classes(class_map, classes)
            layers, found = polygons_from_class_map(
                class_map,
                wanted,
                min_pixels=_min_pixels(class_map.grid, min_area_m2),
                simplify_m=simplify_m,
                scores=scores,
                regularize=regularize,
                folder=output.parent,
            )
        else:
            options = {
                "min_spur_m": min_spur_m,
                "min_length_m": min_length_m,
                "max_gap_m": max_gap_m,
                "low_threshold": low_threshold,
                "simplify_m": simplify_m,
            }
            layers, found = _roads(class_map, _road_class(class_map, classes), scores, min_area_m2, options)
    if not len(layers[0]):
        logger.warning("%s: nothing was found to vectorise, so %s has no features.", mask, output)
    write_features(output, layers, overwrite=overwrite)
    return _summary(kind, mask, output, class_map) | found


def _summary(kind: str, mask: str | Path, output: Path, class_map: ClassMap) -> dict[str, Any]:
    return {
        "kind": kind,
        "mask": str(mask),
        "output": str(output),
        "crs": _output_crs(class_map, output),
        "units": "pixels" if class_map.crs is None else "metres",
    }


def _check_options(kind: str, classes: Sequence[str] | None, quantities: Sequence[float | None]) -> None:
    if kind not in _KINDS:
        raise UsageError(f"There is no kind {kind!r} of vectors; choose one of {', '.join(_KINDS)}.")
    if kind == "roads" and classes is not None and len(classes) > 1:
        raise UsageError(f"Roads are one class, {len(classes)} were named ({', '.join(classes)}). Name one.")
    if any(value is not None and not value >= 0 for value in quantities):
        raise UsageError("Lengths and areas must not be negative; 0 switches a step off.")


def _check_kind(kind: str, output: str | Path, regularize: bool) -> None:
    if kind == "roads" and regularize:
        raise UsageError("Polygons can be squared, roads cannot. Leave out --regularize, or --kind roads.")
    if kind == "polygons" and Path(output).suffix.lower() in GRAPH_SUFFIXES:
        raise UsageError(f"{output}: GraphML holds road graphs, not polygons. Add --kind roads, or write a .gpkg.")


def _polygon_classes(class_map: ClassMap, classes: Sequence[str] | None) -> list[int]:
    legend = class_map.legend
    if classes:
        return sorted({legend.id_from_name(name) for name in classes})
    return [index for index in range(legend.num_classes) if index != legend.background]


def _road_class(class_map: ClassMap, classes: Sequence[str] | None) -> int:
    legend = class_map.legend
    if classes:
        return legend.id_from_name(classes[0])
    candidates = [index for index in range(legend.num_classes) if index != legend.background]
    named = [index for index in candidates if legend.names[index].lower() in {"road", "roads"}]
    present = [index for index in candidates if index in class_map.present]
    for choice in (named, candidates, present):
        if len(choice) == 1:
            return choice[0]
    raise UsageError(f"Which class is road? The mask has {', '.join(legend.names)}. Name it with --class.")


def _roads(
    class_map: ClassMap,
    road: int,
    scores: str | Path | None,
    min_area_m2: float | None,
    options: Mapping[str, Any],
) -> tuple[list[Layer], dict[str, Any]]:
    name, grid = class_map.legend.names[road], class_map.grid

    def read_mask(window: Window) -> npt.NDArray[np.bool_]:
        ids, valid = class_map.read(window)
        return np.asarray(valid & (ids == road))

    with ExitStack() as files:
        score_map = None if scores is None else files.enter_context(open_probabilities(scores, class_map, name))
        graph = road_graph_from_pixels(
            RoadPixels(grid.height, grid.width, read_mask, None if score_map is None else score_map.read),
            pixel_size_m=pixel_size_m(grid),
            min_pixels=_min_pixels(grid, min_area_m2),
            **options,
        )
    edges, nodes = layers_from_graph(graph_to_map(graph, grid), name=name)
    lengths_m = edges.fields["length_m"]
    bridged_m = float((lengths_m * edges.fields["bridged"]).sum())
    summary = {"edges": len(edges), "nodes": len(nodes), "length_m": float(lengths_m.sum()), "bridged_m": bridged_m}
    return [edges, nodes], {"class": name, **summary}


def _min_pixels(grid: Grid, min_area_m2: float | None) -> int:
    width_m, height_m = pixel_size_m(grid)
    return _MIN_PIXELS if min_area_m2 is None else math.ceil(min_area_m2 / (width_m * height_m))


def _say_units(class_map: ClassMap, output: Path) -> None:
    if class_map.crs is None:
        logger.info("The mask has no CRS: coordinates, lengths and areas are in pixels.")
    elif output.suffix.lower() == ".geojson":
        logger.info(
            "GeoJSON is written in longitude and latitude (EPSG:4326); .gpkg and .parquet keep %s.", class_map.crs
        )


def _output_crs(class_map: ClassMap, output: Path) -> str | None:
    is_geojson = output.suffix.lower() == ".geojson"
    return "EPSG:4326" if is_geojson and class_map.crs is not None else class_map.crs

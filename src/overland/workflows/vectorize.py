"""A mask to vectors: polygons that share their borders, or a road graph."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError
from overland.raster import Grid, Window
from overland.vector import (
    GRAPH_SUFFIXES,
    Layer,
    RoadPixels,
    check_vector_output,
    graph_to_map,
    layers_from_graph,
    pixel_size_m,
    road_graph_from_pixels,
    write_features,
)
from overland.workflows.vectorize_input import ClassMap, open_class_map, open_scores
from overland.workflows.vectorize_polygons import polygons_from_class_map

__all__ = ["vectorize"]

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
        score_map = None if scores is None else files.enter_context(open_scores(scores, class_map, name))
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

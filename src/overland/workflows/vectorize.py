"""A mask to vectors: polygons that share their borders, or a road graph."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.raster import Grid, open_scene
from overland.vector import (
    Layer,
    areas_m2,
    check_vector_output,
    graph_to_map,
    layers_from_graph,
    pixel_size_m,
    pixels_to_map,
    polygons_from_mask,
    road_graph_from_mask,
    write_features,
)

__all__ = ["vectorize"]

logger = logging.getLogger("overland")

_KINDS = ("polygons", "roads")
_MIN_PIXELS = 64
# Two would leave the steps of outlines that run nearly along rows or columns; more takes corners off fields.
_POLYGON_TOLERANCE_PIXELS = 3.0


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
    overwrite: bool = False,
) -> dict[str, Any]:
    """Turn a class map into a vector file (`.gpkg`, `.geojson` or `.parquet`) and say what is in it.

    `kind` "polygons" writes a layer `polygons` (class, name, area_m2) of the `classes` named, by default all but the
    background. "roads" writes the layers `edges` (u, v, name, length_m, width_m, bridged) and `nodes` of one class, by
    default the one called road or the only one on a background; GeoJSON and GeoParquet hold the edges alone. GeoJSON is
    in longitude and latitude, the others keep the CRS. Without a CRS metres mean pixels, and so do the coordinates.

    `min_area_m2` (default 64 pixels) is the smallest region that is kept, `simplify_m` (default 3 pixels for polygons,
    1 for roads) the detail that is given up; the others are for roads, see `vector.road_graph_from_mask`.
    The mask is read whole: about 10 bytes a pixel at the peak, 1 GB for 10,000 x 10,000 pixels.
    Raises `UsageError` for options and outputs that make no sense, `DataError` for a file that is no class map.
    """
    _check_options(kind, classes, [min_area_m2, simplify_m, min_spur_m, min_length_m, max_gap_m])
    output = check_vector_output(output, overwrite=overwrite)
    class_map = _read_class_map(mask)
    _say_units(class_map, output)
    if kind == "polygons":
        layers, found = _polygons(class_map, _polygon_classes(class_map, classes), min_area_m2, simplify_m)
    else:
        road = _road_class(class_map, classes)
        lengths = {"min_spur_m": min_spur_m, "min_length_m": min_length_m, "max_gap_m": max_gap_m}
        layers, found = _roads(class_map, road, min_area_m2, simplify_m, lengths)
    if not len(layers[0]):
        logger.warning("%s: nothing was found to vectorise, so %s has no features.", mask, output)
    write_features(output, layers, overwrite=overwrite)
    return {
        "kind": kind,
        "mask": str(mask),
        "output": str(output),
        "crs": _output_crs(class_map, output),
        "units": "pixels" if class_map.crs is None else "metres",
        **found,
    }


@dataclass(frozen=True)
class _ClassMap:
    ids: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]
    grid: Grid
    legend: Legend

    @property
    def crs(self) -> str | None:
        return self.grid.crs if self.grid.is_georeferenced else None


def _check_options(kind: str, classes: Sequence[str] | None, quantities: Sequence[float | None]) -> None:
    if kind not in _KINDS:
        raise UsageError(f"There is no kind {kind!r} of vectors; choose one of {', '.join(_KINDS)}.")
    if kind == "roads" and classes is not None and len(classes) > 1:
        raise UsageError(f"Roads are one class, {len(classes)} were named ({', '.join(classes)}). Name one.")
    if any(value is not None and not value >= 0 for value in quantities):
        raise UsageError("Lengths and areas must not be negative; 0 switches a step off.")


def _read_class_map(path: str | Path) -> _ClassMap:
    with open_scene(path) as scene:
        bands = scene.data_bands
        if len(bands) != 1 or np.dtype(scene.dtype).kind not in "iub":
            raise DataError(
                f"{path} has {len(bands)} bands of {scene.dtype}; a class map is one band of whole numbers. "
                "Scores and colours are no class ids: predict a mask without --scores, or map its colours to ids."
            )
        pixels, valid = scene.read()
        ids, grid, legend, declares_nodata = pixels[0], scene.grid, scene.legend, scene.nodata is not None
    values = np.unique(ids[valid])
    if not declares_nodata and np.array_equal(values, [0, IGNORE_INDEX]):
        logger.info("%s holds only 0 and 255: 255 is read as class 1.", path)
        ids, values = (ids > 0).astype(np.uint8), np.array([0, 1])
    else:
        valid = valid & (ids != IGNORE_INDEX)
        values = values[values != IGNORE_INDEX]
    if len(values) and not 0 <= values.min() <= values.max() < IGNORE_INDEX:
        raise DataError(
            f"{path} holds ids from {values.min()} to {values.max()}; in a class map they are 0 to "
            f"{IGNORE_INDEX - 1}. Map them first, or declare the odd one as nodata."
        )
    return _ClassMap(ids.astype(np.uint8), valid, grid, _complete_legend(path, legend, values))


def _complete_legend(path: str | Path, legend: Legend | None, values: npt.NDArray[Any]) -> Legend:
    """The legend of the file, with names for ids that it does not know."""
    names = list(legend.names) if legend is not None else []
    if not names and set(values.tolist()) <= {0, values.max(initial=1)}:
        logger.info("%s has no class names; 0 is taken for the background of its only class.", path)
        names = ["background"]
    names += [f"class {index}" for index in range(len(names), int(values.max(initial=0)) + 1)]
    return legend_from_names(names)


def _polygon_classes(class_map: _ClassMap, classes: Sequence[str] | None) -> list[int]:
    legend = class_map.legend
    if classes:
        return sorted({legend.id_from_name(name) for name in classes})
    return [index for index in range(legend.num_classes) if index != legend.background]


def _road_class(class_map: _ClassMap, classes: Sequence[str] | None) -> int:
    legend = class_map.legend
    if classes:
        return legend.id_from_name(classes[0])
    candidates = [index for index in range(legend.num_classes) if index != legend.background]
    named = [index for index in candidates if legend.names[index].lower() in {"road", "roads"}]
    present = [index for index in candidates if (class_map.ids == index).any()]
    for choice in (named, candidates, present):
        if len(choice) == 1:
            return choice[0]
    raise UsageError(f"Which class is road? The mask has {', '.join(legend.names)}. Name it with --class.")


def _polygons(
    class_map: _ClassMap, classes: list[int], min_area_m2: float | None, simplify_m: float | None
) -> tuple[list[Layer], dict[str, Any]]:
    width_m, height_m = pixel_size_m(class_map.grid)
    tolerance = _POLYGON_TOLERANCE_PIXELS if simplify_m is None else simplify_m / (width_m * height_m) ** 0.5
    min_pixels = _min_pixels(class_map.grid, min_area_m2)
    polygons, ids = polygons_from_mask(class_map.ids, valid=class_map.valid, min_pixels=min_pixels, tolerance=tolerance)
    is_wanted = np.isin(ids, classes)
    polygons, ids = pixels_to_map(polygons[is_wanted], class_map.grid), ids[is_wanted]
    areas = areas_m2(polygons, class_map.crs)
    names = np.array(class_map.legend.names, dtype=object)
    layer = Layer(
        name="polygons",
        geometry_type="Polygon",
        geometries=polygons,
        fields={"class": ids.astype(np.int32), "name": names[ids], "area_m2": areas},
        crs=class_map.crs,
    )
    per_class = {
        str(names[index]): {"count": int((ids == index).sum()), "area_m2": float(areas[ids == index].sum())}
        for index in classes
    }
    return [layer], {"polygons": len(layer), "area_m2": float(areas.sum()), "classes": per_class}


def _roads(
    class_map: _ClassMap,
    road: int,
    min_area_m2: float | None,
    simplify_m: float | None,
    lengths: Mapping[str, float],
) -> tuple[list[Layer], dict[str, Any]]:
    graph = road_graph_from_mask(
        class_map.valid & (class_map.ids == road),
        pixel_size_m=pixel_size_m(class_map.grid),
        min_pixels=_min_pixels(class_map.grid, min_area_m2),
        simplify_m=simplify_m,
        **lengths,
    )
    name = class_map.legend.names[road]
    edges, nodes = layers_from_graph(graph_to_map(graph, class_map.grid), name=name)
    lengths_m = edges.fields["length_m"]
    bridged_m = float((lengths_m * edges.fields["bridged"]).sum())
    summary = {"edges": len(edges), "nodes": len(nodes), "length_m": float(lengths_m.sum()), "bridged_m": bridged_m}
    return [edges, nodes], {"class": name, **summary}


def _min_pixels(grid: Grid, min_area_m2: float | None) -> int:
    width_m, height_m = pixel_size_m(grid)
    return _MIN_PIXELS if min_area_m2 is None else math.ceil(min_area_m2 / (width_m * height_m))


def _say_units(class_map: _ClassMap, output: Path) -> None:
    if class_map.crs is None:
        logger.info("The mask has no CRS: coordinates, lengths and areas are in pixels.")
    elif output.suffix.lower() == ".geojson":
        logger.info(
            "GeoJSON is written in longitude and latitude (EPSG:4326); .gpkg and .parquet keep %s.", class_map.crs
        )


def _output_crs(class_map: _ClassMap, output: Path) -> str | None:
    is_geojson = output.suffix.lower() == ".geojson"
    return "EPSG:4326" if is_geojson and class_map.crs is not None else class_map.crs

"""Vector labels to a class map on the grid of a raster: how roads and polygons become training masks."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.geo.grid import iter_windows
from overland.geo.measures import map_to_pixels
from overland.geo.projection import buffered_m, reprojected
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import track
from overland.raster import Grid, RasterWriter, Scene, Window, create_raster, open_scene
from overland.raster.features import burn_shapes
from overland.raster.write import check_output
from overland.vector import Layer, pixel_size_m, pixels_to_map, read_layer

__all__ = [
    "LEFT_OUT",
    "field_values",
    "layer_classes",
    "rasterize",
]


# Which class each feature of a layer is: from a field of it, or one class for all.

logger = logging.getLogger("overland")

LEFT_OUT = -1
_SHOWN = 8

Ids = npt.NDArray[np.int64]


def layer_classes(layer: Layer, field: str | None, classes: Sequence[str] | None) -> tuple[Ids, Legend]:
    """The class id of each feature (`LEFT_OUT` for those of no class), and the legend.

    Without `field` all features are one class, called `classes[0]` or like the layer, on a background. With it,
    `classes` are values of the field in the order of the ids; the background is 0 unless they begin with one. Without
    `classes` whole numbers are ids as they are, and other values are classes in the order of the alphabet.
    Raises `UsageError` for options that do not go together, `DataError` for a field that does not hold classes.
    """
    if field is None:
        return _one_class(layer, classes)
    values = field_values(layer, field)
    if not classes and not any(_texts(values)):
        raise DataError(f"The field {field} of layer {layer.name} holds nothing; name the --classes of the map.")
    if classes:
        return _named_classes(values, field, classes)
    numbers = _whole_numbers(values)
    return _numbered_classes(numbers, field) if numbers is not None else _found_classes(values, field)


def field_values(layer: Layer, field: str) -> npt.NDArray[Any]:
    """The values of a field. Raises `DataError` naming the fields there are."""
    if field not in layer.fields:
        raise DataError(f"Layer {layer.name} has no field {field!r}; it has {', '.join(layer.fields) or 'none'}.")
    return layer.fields[field]


def _one_class(layer: Layer, classes: Sequence[str] | None) -> tuple[Ids, Legend]:
    if classes is not None and len(classes) != 1:
        raise UsageError(f"{len(classes)} classes were named, and no field that tells them apart: add --field.")
    name = classes[0] if classes else layer.name
    return np.ones(len(layer), np.int64), legend_from_names(["background", name])


def _named_classes(values: npt.NDArray[Any], field: str, classes: Sequence[str]) -> tuple[Ids, Legend]:
    legend = _on_background(classes)
    texts = _texts(values)
    id_of = {name: index for index, name in enumerate(legend.names)}
    ids = np.array([id_of.get(text, LEFT_OUT) for text in texts], np.int64)
    if len(ids) and (ids == LEFT_OUT).all():
        raise DataError(f"No feature has one of the classes {', '.join(classes)} in {field}; found {_some(texts)}.")
    if (ids == LEFT_OUT).any():
        logger.info("%d of %d features are of no class named, and left out.", (ids == LEFT_OUT).sum(), len(ids))
    return ids, legend


def _found_classes(values: npt.NDArray[Any], field: str) -> tuple[Ids, Legend]:
    names = sorted({text for text in _texts(values) if text})
    if len(names) >= IGNORE_INDEX:
        raise DataError(f"{field} holds {len(names)} values, and a class map {IGNORE_INDEX} at most: name --classes.")
    return _named_classes(values, field, names)


def _numbered_classes(numbers: npt.NDArray[np.float64], field: str) -> tuple[Ids, Legend]:
    known = numbers[np.isfinite(numbers)]
    if known.min() < 0 or known.max() >= IGNORE_INDEX:
        raise DataError(
            f"{field} holds numbers from {known.min():g} to {known.max():g}, and ids are 0 to {IGNORE_INDEX - 1}. "
            "List those that you want, in the order of their new ids: --classes 1100,2100"
        )
    legend = _on_background([f"class {index}" for index in range(1, int(known.max()) + 1)] or ["class 1"])
    return np.where(np.isfinite(numbers), numbers, LEFT_OUT).astype(np.int64), legend


def _on_background(classes: Sequence[str]) -> Legend:
    named = legend_from_names(classes)
    return named if named.background == 0 else legend_from_names(["background", *classes])


def _whole_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    if values.dtype.kind not in "iuf":
        return None
    numbers = values.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    return numbers if np.array_equal(known, np.rint(known)) else None


def _texts(values: npt.NDArray[Any]) -> list[str]:
    numbers = _whole_numbers(values)
    if numbers is not None:
        return [str(int(number)) if np.isfinite(number) else "" for number in numbers]
    return ["" if value is None else str(value) for value in values]


def _some(texts: Sequence[str]) -> str:
    different = sorted(set(texts))
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(text or "(empty)" for text in different[:_SHOWN]) + more


_WINDOW = 1024
_BENDS = 16
_MEGA = 1e6
_POLYGON = int(shapely.GeometryType.POLYGON)


def rasterize(
    vector: str | Path,
    like: str | Path,
    output: str | Path,
    *,
    layer: str | None = None,
    field: str | None = None,
    classes: Sequence[str] | None = None,
    width_m: float | None = None,
    width_field: str | None = None,
    all_touched: bool = False,
    nodata: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Burn a vector layer into a class map on the grid of the raster `like`, and say what was burned.

    Polygons are burned as they are. Lines and points are widened to `width_field` in metres, to `width_m` where the
    field holds no width; ends are round. `field` and `classes` say which class a feature is, see
    `workflows.vector_classes.layer_classes`. Where features overlap the higher id wins. Pixels that no feature covers
    are 0; with `nodata` those where `like` holds no data are 255. A pixel belongs to a feature when its centre does,
    or with `all_touched` any part of it. The CRS of the layer may differ from that of the raster.
    The layer is held in memory, the raster is not. Raises `UsageError` for options and outputs that make no sense,
    `DataError` for files that cannot be used.
    """
    if width_m is not None and not width_m > 0:
        raise UsageError(f"A width must be more than 0 m; got {width_m:g}.")
    output = check_output(output, overwrite=overwrite)
    read = read_layer(vector, layer)
    ids, legend = layer_classes(read, field, classes)
    widths_m = _widths_m(read, width_m, width_field)
    with open_scene(like) as scene:
        features = _features(read, ids, widths_m, scene.grid)
        with create_raster(output, scene.grid, nodata=IGNORE_INDEX, legend=legend, overwrite=overwrite) as writer:
            pixels = _write_burned(writer, scene, features, all_touched=all_touched, nodata=nodata)
    if not pixels[1:IGNORE_INDEX].any():
        logger.warning("%s: nothing was burned. Do %s and %s show the same place?", output, vector, like)
    return {
        "vector": str(vector),
        "like": str(like),
        "output": str(output),
        "features": int((ids != LEFT_OUT).sum()),
        "left_out": int((ids == LEFT_OUT).sum()),
        "pixels": int(pixels.sum()),
        "nodata_pixels": int(pixels[IGNORE_INDEX]),
        "classes": _found(legend, ids, pixels),
    }


@dataclass(frozen=True)
class _Features:
    """Single-part geometries in the CRS of the raster in the order in which they are burned."""

    geometries: npt.NDArray[Any]
    ids: npt.NDArray[np.int64]
    radii_m: npt.NDArray[np.float64]
    tree: Any


def _features(layer: Layer, ids: npt.NDArray[np.int64], widths_m: npt.NDArray[np.float64], grid: Grid) -> _Features:
    kept = np.flatnonzero(ids != LEFT_OUT)
    kept = kept[np.argsort(ids[kept], kind="stable")]
    parts, part_of = shapely.get_parts(layer.geometries[kept], return_index=True)
    parts = reprojected(np.asarray(parts, dtype=object), layer.crs, _crs(grid))
    radii_m = np.where(shapely.get_type_id(parts) == _POLYGON, 0.0, widths_m[kept][part_of] / 2)
    without = np.unique(part_of[np.isnan(radii_m)])
    if len(without):
        raise DataError(
            f"{len(without)} of {len(kept)} features are lines or points without a width, and cover nothing so. "
            "Give one for all with --width-m, or one for each with --width-field."
        )
    return _Features(parts, ids[kept][part_of], radii_m, shapely.STRtree(parts))


def _widths_m(layer: Layer, width_m: float | None, width_field: str | None) -> npt.NDArray[np.float64]:
    constant = math.nan if width_m is None else width_m
    if width_field is None:
        return np.full(len(layer), constant)
    widths = np.array([_number(value) for value in field_values(layer, width_field)], dtype=float)
    return np.where(widths > 0, widths, constant)


def _number(value: Any) -> float:
    # OpenStreetMap keeps widths as text, often enough "4 m", "12'" or "narrow".
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _write_burned(
    writer: RasterWriter, scene: Scene, features: _Features, *, all_touched: bool, nodata: bool
) -> npt.NDArray[np.int64]:
    """Burn window by window, and count how many pixels got each of the 256 values."""
    pixels = np.zeros(IGNORE_INDEX + 1, np.int64)
    with track("Burning", scene.height * scene.width / _MEGA, "Mpx") as advance:
        for window in iter_windows(scene.height, scene.width, _WINDOW):
            mask = _burned(features, scene.grid, window, all_touched)
            if nodata:
                mask[~scene.read(window)[1]] = IGNORE_INDEX
            writer.write(mask, window)
            pixels += np.bincount(mask.ravel(), minlength=len(pixels))
            advance(window.height * window.width / _MEGA)
    return pixels


def _burned(features: _Features, grid: Grid, window: Window, all_touched: bool) -> npt.NDArray[np.uint8]:
    halo = math.ceil(max(features.radii_m, default=0.0) / min(pixel_size_m(grid.cropped(window)))) + 2
    reach, center = pixels_to_map(np.array([_outline(window.padded(halo)), _outline(window).centroid]), grid)
    near = np.sort(features.tree.query(reach, predicate="intersects"))
    shapes, radii_m = features.geometries[near], features.radii_m[near]
    wide = radii_m > 0
    # Cut first: a motorway through the whole scene is widened here only.
    cut = shapely.intersection(shapes[wide], reach)
    # And bent: what is straight in degrees is not where the buffer is made.
    cut = shapely.segmentize(cut, reach.length / _BENDS)
    shapes[wide] = buffered_m(cut, radii_m[wide], _crs(grid), (center.x, center.y))
    filled = ~shapely.is_empty(shapes)
    return burn_shapes(map_to_pixels(shapes[filled], grid), features.ids[near][filled], window, all_touched=all_touched)


def _outline(window: Window) -> Any:
    return shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)


def _crs(grid: Grid) -> str | None:
    return grid.crs if grid.is_georeferenced else None


def _found(legend: Legend, ids: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> dict[str, dict[str, int]]:
    return {
        name: {"features": int((ids == index).sum()), "pixels": int(pixels[index])}
        for index, name in enumerate(legend.names)
    }

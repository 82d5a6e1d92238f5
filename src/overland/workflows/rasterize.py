"""Rasterize vector labels to a class map on the grid of a raster: roads and polygons become training masks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window, iter_windows
from overland.geo.measures import buffered_m, map_to_pixels, pixels_to_map
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.progress import track
from overland.raster import create_raster, input_files, open_scene
from overland.raster.features import burn_shapes
from overland.raster.write import check_raster_output
from overland.result import Result
from overland.vector import Layer, geometries_on_grid, read_layer
from overland.vector.layer import Column, Floats, Geometries, Ints

__all__ = ["LEFT_OUT", "BurnedClass", "RasterizeResult", "field_values", "layer_classes", "rasterize"]

logger = logging.getLogger(__name__)

LEFT_OUT = -1
"""The id of features that belong to no class of the map."""

_SHOWN = 8
_WINDOW = 1024
_BENDS = 16
_MEGA = 1e6
_POLYGON = int(shapely.GeometryType.POLYGON)
# A road wider than this is a number in other units, or a slip: the widest square of the world has 0.5 km.
_MAX_WIDTH_M = 10_000.0


@dataclass(frozen=True)
class BurnedClass:
    """One class of a rasterized layer.

    Attributes:
        features: Number of its features.
        pixels: Number of its pixels.
    """

    features: int
    pixels: int


@dataclass(frozen=True)
class RasterizeResult(Result):
    """A layer as a class map.

    Attributes:
        vector: The vector file.
        like: The raster whose grid was taken.
        output: The class map.
        features: Number of features that were burned.
        left_out: Number of features of no class.
        pixels: Number of pixels of the class map.
        nodata_pixels: Number of those that hold no data and are 255.
        classes: Features and pixels of each class, by its name.
    """

    vector: Path
    like: Path
    output: Path
    features: int
    left_out: int
    pixels: int
    nodata_pixels: int
    classes: Mapping[str, BurnedClass]


def rasterize(
    vector: str | Path,
    like: str | Path,
    output: str | Path,
    *,
    layer: str | None = None,
    field: str | None = None,
    classes: Sequence[str] = (),
    width_m: float | None = None,
    width_field: str | None = None,
    all_touched: bool = False,
    nodata: bool = True,
    overwrite: bool = False,
) -> RasterizeResult:
    """Burn the features of VECTOR into OUTPUT, a class map on the grid of the raster LIKE.

    So labels from OpenStreetMap, SpaceNet or a GIS become training masks. Polygons are burned as they are; lines and
    points are widened to a width in metres on the ground, with round ends, whatever the CRS. Pixels that no feature
    covers are 0, the background; where features overlap the higher id wins. A pixel belongs to a feature when its
    centre does. The layer is held in memory, the raster is not.

    Args:
        vector: A vector file, in any CRS that leads to that of LIKE.
        like: The raster whose size, transform and CRS the class map gets.
        output: The class map to write: .tif or .png.
        layer: Layer of VECTOR.  [default: the only one, or the first]
        field: Field that says which class a feature is; without it all are one class.
        classes: Values of the field that become the classes 1, 2, ..., others being left out; without a field the name
            of the one class. The background is 0 unless they begin with it.  [default: whole numbers as they are, else
            all values in the order of the alphabet]
        width_m: Width of lines and points in metres.
        width_field: Field with the width of each feature in metres; --width-m holds where a feature has none.
        all_touched: Burn every pixel that is touched, not only those whose centre is in.
        nodata: Write 255 (ignored) where LIKE holds no data.
        overwrite: Replace OUTPUT if it exists.

    Returns:
        The class map in numbers.

    Raises:
        UsageError: Options or an output that make no sense, or an output that exists or is an input.
        DataError: The layer, its classes or its widths cannot be used.
    """
    if width_m is not None and not 0 < width_m <= _MAX_WIDTH_M:
        raise UsageError(f"A width must be more than 0 m and at most {_MAX_WIDTH_M:,.0f} m; got {width_m:g}.")
    output = check_raster_output(output, overwrite=overwrite, inputs=input_files(vector, like))
    read = read_layer(vector, layer)
    ids, legend = layer_classes(read, field, classes)
    widths_m = _widths_m(read, width_m, width_field)
    with open_scene(like) as scene:
        features = _features(read, ids, widths_m, scene.grid)
        with create_raster(output, scene.grid, nodata=IGNORE_INDEX, legend=legend, overwrite=overwrite) as writer:
            # The number of pixels of each of the 256 values.
            pixels = np.zeros(IGNORE_INDEX + 1, np.int64)
            with track("Burning", scene.height * scene.width / _MEGA, "Mpx") as advance:
                for window in iter_windows(scene.height, scene.width, _WINDOW):
                    mask = _burned(features, scene.grid, window, all_touched)
                    if nodata:
                        mask[~scene.read(window)[1]] = IGNORE_INDEX
                    writer.write(mask, window)
                    pixels += np.bincount(mask.ravel(), minlength=len(pixels))
                    advance(window.height * window.width / _MEGA)
    if not pixels[1:IGNORE_INDEX].any():
        logger.warning("%s: nothing was burned. Do %s and %s show the same place?", output, vector, like)
    return RasterizeResult(
        vector=Path(vector),
        like=Path(like),
        output=output,
        features=int((ids != LEFT_OUT).sum()),
        left_out=int((ids == LEFT_OUT).sum()),
        pixels=int(pixels.sum()),
        nodata_pixels=int(pixels[IGNORE_INDEX]),
        classes={
            name: BurnedClass(int((ids == index).sum()), int(pixels[index])) for index, name in enumerate(legend.names)
        },
    )


def layer_classes(layer: Layer, field: str | None = None, classes: Sequence[str] = ()) -> tuple[Ints, Legend]:
    """Find the class of each feature of a layer.

    Args:
        layer: The layer, of n features.
        field: The field that says which class a feature is. Without it all features are one class, called
            `classes[0]` or like the layer, on a background.
        classes: Values of the field in the order of the ids; the background is 0 unless they begin with one. Without
            them whole numbers are ids as they are, and other values are classes in the order of the alphabet.

    Returns:
        The class id of each feature (n,), `LEFT_OUT` for those of no class, and the legend.

    Raises:
        UsageError: Several classes and no field that tells them apart.
        DataError: The field does not exist, or does not hold classes.
    """
    if field is None:
        if len(classes) > 1:
            raise UsageError(f"{len(classes)} classes were named, and no field that tells them apart: add --field.")
        names = ["background", classes[0] if classes else layer.name]
        return np.ones(len(layer), np.int64), legend_from_names(names)
    values = field_values(layer, field)
    if not classes and not any(_texts(values)):
        raise DataError(f"The field {field} of layer {layer.name} holds nothing; name the --classes of the map.")
    if classes:
        return _named_classes(values, field, classes)
    numbers = _whole_numbers(values)
    if numbers is not None:
        known = numbers[np.isfinite(numbers)]
        if known.min() < 0 or known.max() >= IGNORE_INDEX:
            raise DataError(
                f"{field} holds numbers from {known.min():g} to {known.max():g}, and ids are 0 to {IGNORE_INDEX - 1}. "
                "List those that you want, in the order of their new ids: --classes 1100,2100"
            )
        legend = _on_background([f"class {index}" for index in range(1, int(known.max()) + 1)] or ["class 1"])
        return np.where(np.isfinite(numbers), numbers, LEFT_OUT).astype(np.int64), legend
    found = sorted({text for text in _texts(values) if text})
    if len(found) >= IGNORE_INDEX:
        raise DataError(f"{field} holds {len(found)} values, and a class map {IGNORE_INDEX} at most: name --classes.")
    return _named_classes(values, field, found)


def field_values(layer: Layer, field: str) -> Column:
    """Return the values of a field.

    Args:
        layer: The layer, of n features.
        field: The name of the field.

    Returns:
        The values (n,).

    Raises:
        DataError: There is no such field; the message lists those there are.
    """
    if field not in layer.fields:
        raise DataError(f"Layer {layer.name} has no field {field!r}; it has {', '.join(layer.fields) or 'none'}.")
    return layer.fields[field]


def _named_classes(values: Column, field: str, classes: Sequence[str]) -> tuple[Ints, Legend]:
    legend = _on_background(classes)
    texts = _texts(values)
    id_of = {name: index for index, name in enumerate(legend.names)}
    ids = np.array([id_of.get(text, LEFT_OUT) for text in texts], np.int64)
    if len(ids) and (ids == LEFT_OUT).all():
        raise DataError(f"No feature has one of the classes {', '.join(classes)} in {field}; found {_some(texts)}.")
    if (ids == LEFT_OUT).any():
        logger.info("%d of %d features are of no class named, and left out.", (ids == LEFT_OUT).sum(), len(ids))
    return ids, legend


def _on_background(classes: Sequence[str]) -> Legend:
    named = legend_from_names(classes)
    return named if named.background == 0 else legend_from_names(["background", *classes])


def _whole_numbers(values: Column) -> Floats | None:
    if values.dtype.kind not in "iuf":
        return None
    numbers = values.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    return numbers if np.array_equal(known, np.rint(known)) else None


def _texts(values: Column) -> list[str]:
    numbers = _whole_numbers(values)
    if numbers is not None:
        return [str(int(number)) if np.isfinite(number) else "" for number in numbers]
    return ["" if value is None else str(value) for value in values]


def _some(texts: Sequence[str]) -> str:
    different = sorted(set(texts))
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(text or "(empty)" for text in different[:_SHOWN]) + more


@dataclass(frozen=True)
class _Features:
    """Single-part geometries in the map coordinates of the raster, in the order in which they are burned."""

    geometries: Geometries
    ids: Ints
    radii_m: Floats
    tree: shapely.STRtree


def _features(layer: Layer, ids: Ints, widths_m: Floats, grid: Grid) -> _Features:
    kept = np.flatnonzero(ids != LEFT_OUT)
    kept = kept[np.argsort(ids[kept], kind="stable")]
    placed = geometries_on_grid(layer.geometries[kept], layer.crs, grid)
    parts, part_of = shapely.get_parts(placed, return_index=True)
    parts = np.asarray(parts, dtype=object)
    radii_m = np.where(shapely.get_type_id(parts) == _POLYGON, 0.0, widths_m[kept][part_of] / 2)
    without = np.unique(part_of[np.isnan(radii_m)])
    if len(without):
        raise DataError(
            f"{len(without)} of {len(kept)} features are lines or points without a width, and cover nothing so. "
            "Give one for all with --width-m, or one for each with --width-field."
        )
    return _Features(parts, ids[kept][part_of], radii_m, shapely.STRtree(parts))


def _widths_m(layer: Layer, width_m: float | None, width_field: str | None) -> Floats:
    constant = math.nan if width_m is None else width_m
    if width_field is None:
        return np.full(len(layer), constant)
    values = field_values(layer, width_field)
    widths = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        # OpenStreetMap keeps widths as text, often enough "4 m", "12'" or "narrow".
        with suppress(TypeError, ValueError):
            widths[index] = float(value)
    texts = [text for text, width in zip(_texts(values), widths, strict=True) if text and math.isnan(width)]
    if texts and len(texts) == len(widths) and width_m is None:
        raise DataError(
            f"The field {width_field} holds no numbers, but {_some(texts)}. Name a field with widths in metres, or "
            "give --width-m."
        )
    if texts:
        logger.warning(
            "%d of %d values of the field %s are no numbers (%s); these features get the width of --width-m.",
            len(texts),
            len(widths),
            width_field,
            _some(texts),
        )
    too_wide = np.flatnonzero(np.isinf(widths) | (widths > _MAX_WIDTH_M))
    if len(too_wide):
        raise DataError(
            f"The field {width_field} holds widths up to {np.nanmax(widths):g} m (feature {too_wide[0] + 1}); "
            f"{_MAX_WIDTH_M:,.0f} m is the most."
        )
    return np.where(widths > 0, widths, constant)


def _burned(features: _Features, grid: Grid, window: Window, all_touched: bool) -> npt.NDArray[np.uint8]:
    halo = math.ceil(max(features.radii_m, default=0.0) / min(grid.cropped(window).pixel_size)) + 2
    reach, center = pixels_to_map(np.array([_box(window.padded(halo)), _box(window).centroid]), grid)
    near = np.sort(features.tree.query(reach, predicate="intersects"))
    shapes, radii_m = features.geometries[near], features.radii_m[near]
    wide = radii_m > 0
    if wide.any():
        # Cut first: a motorway through the whole scene is widened here only.
        cut = shapely.intersection(shapes[wide], reach)
        # And bent: what is straight in degrees is not where the buffer is made.
        cut = shapely.segmentize(cut, reach.length / _BENDS)
        shapes[wide] = buffered_m(cut, radii_m[wide], grid.map_crs, (center.x, center.y))
    filled = ~shapely.is_empty(shapes)
    return burn_shapes(map_to_pixels(shapes[filled], grid), features.ids[near][filled], window, all_touched=all_touched)


def _box(window: Window) -> shapely.Polygon:
    return shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)

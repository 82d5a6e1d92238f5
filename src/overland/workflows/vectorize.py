"""Vectorise a class map: polygons that share their borders, or a road graph."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import shapely

from overland.errors import UsageError
from overland.geo.grid import Window, iter_row_windows
from overland.geo.measures import areas_m2, pixels_to_map
from overland.raster import input_files
from overland.raster.class_map import (
    ClassMap,
    ProbabilityMap,
    open_class_map,
    open_class_probabilities,
    open_probabilities,
)
from overland.raster.features import burn_shapes, stored_mask
from overland.result import Result
from overland.vector import (
    GRAPH_SUFFIXES,
    Layer,
    RoadPixels,
    RoadSettings,
    check_vector_output,
    graph_to_map,
    layers_from_graph,
    polygons_from_mask,
    regularized,
    road_graph_from_pixels,
    simplified_coverage,
    write_features,
)
from overland.vector.layer import Bools, Column, Floats, Geometries, Ints

__all__ = [
    "ClassPolygons",
    "PolygonOptions",
    "VectorizeResult",
    "mean_probabilities",
    "polygons_from_class_map",
    "vectorize",
]

logger = logging.getLogger(__name__)

_KINDS = ("polygons", "roads")
_MIN_PIXELS = RoadSettings().min_pixels
# Two would leave the steps of outlines that run nearly along rows or columns; more takes corners off fields.
_TOLERANCE_PIXELS = 3.0
# The stairs of a traced line stray by up to 1 from a chord between their corners.
_MIN_NOISE_PIXELS = 1.5


@dataclass(frozen=True)
class ClassPolygons:
    """The polygons of one class.

    Attributes:
        count: Number of polygons.
        area_m2: Their area in square metres, or in the units of the result.
    """

    count: int
    area_m2: float


@dataclass(frozen=True)
class VectorizeResult(Result):
    """The vectors of a class map. Fields of the other kind are None.

    Attributes:
        kind: "polygons" or "roads".
        mask: The class map.
        output: The vector file.
        crs: CRS of the vector file; None where the class map has none.
        units: "metres"; "map units" for a class map with a place but no CRS, "pixels" for one without a place. Lengths
            and areas are in these.
        polygons: Number of polygons.
        area_m2: Their area.
        classes: The polygons of each class, by its name.
        road_class: The class that became roads.
        edges: Number of roads between junctions and ends.
        nodes: Number of junctions and ends.
        length_m: Length of all roads.
        gap_filled_m: The part of that length that crosses gaps of the class map.
    """

    kind: str
    mask: Path
    output: Path
    crs: str | None
    units: str
    polygons: int | None = None
    area_m2: float | None = None
    classes: Mapping[str, ClassPolygons] | None = None
    road_class: str | None = None
    edges: int | None = None
    nodes: int | None = None
    length_m: float | None = None
    gap_filled_m: float | None = None


def vectorize(
    mask: str | Path,
    output: str | Path,
    *,
    kind: Literal["polygons", "roads"] = "polygons",
    classes: Sequence[str] = (),
    probabilities: str | Path | None = None,
    min_area_m2: float | None = None,
    simplify_m: float | None = None,
    regularize: bool = False,
    min_spur_m: float = 10.0,
    min_length_m: float = 20.0,
    max_gap_m: float = 30.0,
    low_threshold: float | None = None,
    overwrite: bool = False,
) -> VectorizeResult:
    """Turn a class map into vectors; the suffix of OUTPUT decides the format.

    .gpkg (GeoPackage) and .parquet (GeoParquet) keep the CRS of the class map, .geojson is in longitude and latitude,
    .graphml is a road graph that osmnx loads. Polygons share their borders without overlap or gap, unless they are
    squared; each has its class, name and area_m2. Roads become a graph: edges with length_m, width_m and gap_filled
    (the fraction of the length over gaps), and nodes (GeoPackage and GraphML hold both). Without a CRS all numbers are
    in the map's own units, or in pixels. The class map may be of any size.

    Args:
        mask: The class map, a raster of class ids.
        output: The vector file: .gpkg, .geojson, .parquet or .graphml.
        kind: Vectors to make.
        classes: Classes that become polygons (all but the background by default), or the one that is road (the one
            called road or the only one on a background by default).
        probabilities: Probabilities that predict wrote with the class map. Polygons get mean_p, the mean of their
            class; roads are extended where the class map breaks off, and get mean_p and min_p.
        min_area_m2: Smallest region that is kept, in square metres.  [default: 64 pixels]
        simplify_m: Detail of outlines and lines that is given up, in metres.  [default: 3 pixels for polygons, 1 for
            roads]
        regularize: Polygons: square their outlines, as for buildings; neighbours then no longer share their borders.
        min_spur_m: Roads: shortest dead end that is kept, in metres; it must also be longer than the road it leaves is
            wide.
        min_length_m: Roads: shortest connected piece that is kept, in metres.
        max_gap_m: Roads: largest gap that is filled, in metres; 0 fills none.
        low_threshold: Roads with probabilities: the probability down to which a road is extended.  [default: 0.6 of
            the class map's own threshold]
        overwrite: Replace OUTPUT if it exists.

    Returns:
        The vectors in numbers.

    Raises:
        UsageError: Options or an output that make no sense, or an output that exists.
        DataError: The mask is no class map, or the probabilities are none of it.
        MissingExtraError: GeoParquet is asked for, and pyarrow is not installed.
    """
    _check_options(kind, classes, output, regularize, low_threshold, probabilities)
    quantities = (min_area_m2, simplify_m, min_spur_m, min_length_m, max_gap_m)
    if any(value is not None and not 0 <= value < math.inf for value in quantities):
        raise UsageError("Lengths and areas must be finite and not negative; 0 switches a step off.")
    output = check_vector_output(output, overwrite=overwrite, inputs=input_files(mask, probabilities))
    with open_class_map(mask) as class_map:
        grid = class_map.grid
        is_geojson = output.suffix.lower() == ".geojson"
        units = "metres" if grid.is_georeferenced else "map units" if grid.has_coordinates else "pixels"
        if units != "metres":
            where = "in pixels" if units == "pixels" else "in the map's own units"
            logger.info("The class map has no CRS: coordinates, lengths and areas are %s.", where)
        elif is_geojson:
            logger.info(
                "GeoJSON is written in longitude and latitude (EPSG:4326); .gpkg and .parquet keep %s.", class_map.crs
            )
        crs = "EPSG:4326" if is_geojson and class_map.crs is not None else class_map.crs
        result = VectorizeResult(kind, Path(mask), output, crs, units)
        min_pixels = _MIN_PIXELS if min_area_m2 is None else max(1, math.ceil(min_area_m2 / math.prod(grid.pixel_size)))
        if kind == "polygons":
            legend = class_map.legend
            chosen = [index for index in range(legend.num_classes) if index != legend.background]
            if classes:
                chosen = sorted({legend.id_from_name(name) for name in classes})
            options = PolygonOptions(min_pixels, simplify_m, regularize)
            layers = [polygons_from_class_map(class_map, chosen, options, probabilities, output.parent)]
            areas = np.asarray(layers[0].fields["area_m2"], dtype=float)
            found: dict[str, ClassPolygons] = {}
            for name in (legend.names[index] for index in chosen):
                is_in = layers[0].fields["name"] == name
                found[name] = ClassPolygons(int(is_in.sum()), float(areas[is_in].sum()))
            result = replace(result, polygons=len(layers[0]), area_m2=float(areas.sum()), classes=found)
        else:
            road = _road_class(class_map, classes)
            settings = RoadSettings(
                min_pixels=min_pixels,
                min_spur_m=min_spur_m,
                min_length_m=min_length_m,
                max_gap_m=max_gap_m,
                simplify_m=simplify_m,
                low_threshold=low_threshold,
            )
            edges, nodes = _road_layers(class_map, road, settings, probabilities)
            layers, lengths = [edges, nodes], np.asarray(edges.fields["length_m"], dtype=float)
            result = replace(
                result,
                road_class=class_map.legend.names[road],
                edges=len(edges),
                nodes=len(nodes),
                length_m=float(lengths.sum()),
                gap_filled_m=float((lengths * edges.fields["gap_filled"]).sum()),
            )
    if not len(layers[0]):
        logger.warning("%s: nothing was found to vectorise, so %s has no features.", mask, output)
    write_features(output, layers, pixel_size=min(grid.pixel_size), overwrite=overwrite)
    return result


def _check_options(
    kind: str,
    classes: Sequence[str],
    output: str | Path,
    regularize: bool,
    low_threshold: float | None,
    probabilities: str | Path | None,
) -> None:
    if kind not in _KINDS:
        raise UsageError(f"There is no kind {kind!r} of vectors; choose one of {', '.join(_KINDS)}.")
    if kind == "roads" and len(classes) > 1:
        raise UsageError(f"Roads are one class, {len(classes)} were named ({', '.join(classes)}). Name one.")
    if kind == "roads" and regularize:
        raise UsageError("Polygons can be squared, roads cannot. Leave out --regularize, or --kind roads.")
    if kind == "polygons" and Path(output).suffix.lower() in GRAPH_SUFFIXES:
        raise UsageError(f"{output}: GraphML holds road graphs, not polygons. Add --kind roads, or write a .gpkg.")
    if low_threshold is not None and (kind != "roads" or probabilities is None):
        raise UsageError("--low-threshold is a probability of roads: add --kind roads and --probabilities.")
    if low_threshold is not None and not 0 <= low_threshold <= 1:
        raise UsageError(f"--low-threshold is a probability from 0 to 1; got {low_threshold:g}.")


def _road_class(class_map: ClassMap, classes: Sequence[str]) -> int:
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


@dataclass(frozen=True)
class PolygonOptions:
    """Options of the polygons of a class map.

    Attributes:
        min_pixels: Smallest region that is kept, in pixels.
        simplify_m: Detail that is given up, in metres; None is 3 pixels.
        regularize: Square the outlines.
    """

    min_pixels: int = _MIN_PIXELS
    simplify_m: float | None = None
    regularize: bool = False


def polygons_from_class_map(
    class_map: ClassMap,
    classes: Sequence[int],
    options: PolygonOptions,
    probabilities: str | Path | None,
    folder: Path,
) -> Layer:
    """Make the layer `polygons` of some classes of a class map.

    It needs two or three bytes a pixel on the disk, and some 100 in memory for each pixel edge on a border between
    regions.

    Args:
        class_map: An open class map of any size.
        classes: The ids of the classes.
        options: Size and detail.
        probabilities: A raster of the classes' probabilities on the grid of the class map, or None.
        folder: A folder on the disk for the class map while it is traced, since it may be too large for memory.

    Returns:
        Polygons in the CRS of the class map with the fields class, name, area_m2, and with probabilities mean_p: the
        mean of its class over the pixels within each polygon, before it is squared.

    Raises:
        DataError: The probabilities are none of these classes.
    """
    grid = class_map.grid
    tolerance = _TOLERANCE_PIXELS
    if options.simplify_m is not None:
        tolerance = options.simplify_m / math.prod(grid.pixel_size) ** 0.5
    with ExitStack() as files:
        maps = None
        if probabilities is not None:
            maps = files.enter_context(open_class_probabilities(probabilities, class_map, classes))
        height, width = grid.height, grid.width
        parts = ((block, *class_map.read(block)) for block in iter_row_windows(height, width))
        # GDAL goes through stored masks line by line; the disk of the output is known to have room.
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".overland-") as store,
            stored_mask(Path(store), height, width, parts) as (mask, valid),
        ):
            outlines, ids = polygons_from_mask(mask, valid=valid, min_pixels=options.min_pixels, tolerance=0)
        is_chosen = np.isin(ids, classes)
        polygons, outlines = simplified_coverage(outlines, tolerance)[is_chosen], outlines[is_chosen]
        ids = ids[is_chosen]
        means = {} if maps is None else {"mean_p": mean_probabilities(polygons, ids, maps)}
    if options.regularize:
        # Angles are right on the ground, and the area is still counted in pixels. What cannot be squared stays.
        stretch = np.array(grid.pixel_size) / math.prod(grid.pixel_size) ** 0.5
        noise = max(tolerance / 2, _MIN_NOISE_PIXELS)
        for index, outline in enumerate(shapely.transform(outlines, lambda xy: xy * stretch)):
            squared = regularized(outline, noise=noise)
            if squared is not outline:
                polygons[index] = shapely.transform(squared, lambda xy: xy / stretch)
    polygons = pixels_to_map(polygons, grid)
    fields: dict[str, Column] = {
        "class": ids.astype(np.int32),
        "name": np.array(class_map.legend.names, dtype=object)[ids],
        "area_m2": areas_m2(polygons, class_map.crs),
        **means,
    }
    return Layer("polygons", "Polygon", polygons, fields, class_map.crs)


def mean_probabilities(polygons: Geometries, ids: Ints, maps: Mapping[int, ProbabilityMap]) -> Floats:
    """Average the probability of each polygon's class over the pixels whose centre lies in it.

    Args:
        polygons: Polygons (n,) in pixels that do not overlap.
        ids: Their classes (n,).
        maps: The open probabilities of each class that occurs, by its id.

    Returns:
        Means (n,), NaN where no probability is known.
    """
    sums, counts = np.zeros(len(polygons)), np.zeros(len(polygons), dtype=np.int64)
    for index, probabilities in maps.items():
        of_class = np.flatnonzero(ids == index)
        tops, bottoms = shapely.bounds(polygons[of_class]).reshape(-1, 4)[:, [1, 3]].T
        for block in iter_row_windows(probabilities.scene.height, probabilities.scene.width):
            near = of_class[(tops < block.row_end) & (bottoms > block.row_off)]
            if not len(near):
                continue
            numbers = burn_shapes(polygons[near], np.arange(1, len(near) + 1), block, dtype="int32")
            values = probabilities.read(block)
            known = (numbers > 0) & ~np.isnan(values)
            places = near[numbers[known] - 1]
            # One pixel after the other, so that the row blocks do not show in the last digit.
            np.add.at(sums, places, values[known].astype(float))
            np.add.at(counts, places, 1)
    means = np.full(len(polygons), np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return means


def _road_layers(
    class_map: ClassMap, road: int, settings: RoadSettings, probabilities: str | Path | None
) -> tuple[Layer, Layer]:
    """Find the road graph of a class: its layers of edges and nodes."""
    name, grid = class_map.legend.names[road], class_map.grid

    def read_mask(window: Window) -> Bools:
        """Read where the road is.

        Args:
            window: Window of the class map.

        Returns:
            True on pixels of the road (H, W).
        """
        ids, valid = class_map.read(window)
        return np.asarray(valid & (ids == road))

    with ExitStack() as files:
        read = None
        if probabilities is not None:
            read = files.enter_context(open_probabilities(probabilities, class_map, name)).read
        pixels = RoadPixels(grid.height, grid.width, read_mask, read)
        graph = road_graph_from_pixels(pixels, pixel_size_m=grid.pixel_size, settings=settings)
    edges, nodes = layers_from_graph(graph_to_map(graph, grid), name=name)
    return edges, nodes

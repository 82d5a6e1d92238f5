"""The points of a sample: read from CSV or a vector file, found again on a map, and their reference labels as ids."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError, UsageError
from overland.geo.measures import map_to_pixels
from overland.geo.projection import reprojected
from overland.legend import IGNORE_INDEX, Legend
from overland.metrics.areas import (
    ALLOCATIONS,
    AreaEstimates,
    Drawn,
    Estimate,
    StrataBlock,
    allocate_points,
    area_estimates,
    draw_stratified,
    required_sample_size,
    z_value,
)
from overland.output import write_table
from overland.raster import Grid, Scene, Window
from overland.raster.class_map import ClassTotals, class_totals, iter_class_blocks, open_class_scene, read_ids
from overland.raster.write import check_output
from overland.vector import Layer, pixels_to_map, read_layer, write_features

__all__ = [
    "ESTIMATE_COLUMNS",
    "SamplePoints",
    "assess_estimate",
    "assess_plan",
    "assess_sample",
    "class_ids_at",
    "estimate_values",
    "ids_from_labels",
    "points_of_pixels",
    "read_points",
]


Ids = npt.NDArray[np.int64]
_SHOWN = 5


@dataclass(frozen=True)
class SamplePoints:
    """Points with their fields as text; `crs` is None where the coordinates are those of the map."""

    path: str
    points: npt.NDArray[Any]
    fields: Mapping[str, list[str]]
    crs: str | None = None

    def __len__(self) -> int:
        return len(self.points)

    def labels(self, field: str) -> list[str]:
        """The values of a field. Raises `DataError` when there is none, or where some are empty."""
        if field not in self.fields:
            raise DataError(f"{self.path} has no field {field!r}; it has {', '.join(self.fields)}.")
        values = self.fields[field]
        empty = [str(number) for number, value in enumerate(values, 1) if not value]
        if empty:
            raise DataError(
                f"{self.path}: {len(empty)} of {len(self)} points have no {field} (rows {_few(empty)}). "
                "Label every point: to leave some out makes the estimates wrong."
            )
        return values


def read_points(path: str | Path) -> SamplePoints:
    """Read points from a CSV with columns x and y, or from any vector file. Raises `DataError` when it holds none."""
    path = Path(path)
    read = _read_csv(path) if path.suffix.lower() == ".csv" else _read_vector(path)
    if not len(read):
        raise DataError(f"{path} holds no points.")
    return read


def points_of_pixels(rows: Ids, cols: Ids, grid: Grid) -> npt.NDArray[Any]:
    """The centres of pixels as points in the CRS of the grid."""
    return pixels_to_map(np.asarray(shapely.points(cols + 0.5, rows + 0.5), dtype=object), grid)


def class_ids_at(scene: Scene, sample: SamplePoints) -> Ids:
    """The class id of a map at each point. Raises `DataError` for points outside, and where the map has no class."""
    crs = scene.grid.crs if scene.grid.is_georeferenced else None
    points = sample.points if sample.crs is None else reprojected(sample.points, sample.crs, crs)
    cols, rows = np.floor(shapely.get_coordinates(map_to_pixels(points, scene.grid))).astype(np.int64).T
    outside = (rows < 0) | (rows >= scene.height) | (cols < 0) | (cols >= scene.width)
    if outside.any():
        raise DataError(f"{sample.path}: {outside.sum()} points lie outside of {scene.path}. Is it the right map?")
    ids = [
        int(read_ids(scene, Window(col_off=col, row_off=row, width=1, height=1))[0, 0])
        for row, col in zip(rows.tolist(), cols.tolist(), strict=True)
    ]
    if IGNORE_INDEX in ids:
        raise DataError(f"{sample.path}: {ids.count(IGNORE_INDEX)} points lie where {scene.path} has no class.")
    return np.array(ids, np.int64)


def ids_from_labels(labels: list[str], legend: Legend, what: str) -> Ids:
    """Class ids of labels, which are names of the legend or ids. Raises `DataError` naming those that are neither."""
    id_of = {str(index): index for index in range(legend.num_classes)}
    id_of |= {name.casefold(): index for index, name in enumerate(legend.names)}
    unknown = sorted({label for label in labels if label.casefold() not in id_of})
    if unknown:
        raise DataError(f"{what}: no class is called {_few(unknown)}; the map has {', '.join(legend.names)}.")
    return np.array([id_of[label.casefold()] for label in labels], np.int64)


def _read_csv(path: Path) -> SamplePoints:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = [{name: (row[name] or "").strip() for name in columns} for row in reader]
        xy = np.array([(float(row["x"]), float(row["y"])) for row in rows]).reshape(-1, 2)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Check the spelling and the folder.") from error
    except KeyError as error:
        found = ", ".join(columns)
        raise DataError(f"{path} has no column {error}; found {found}. Columns are separated by commas.") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table of points ({error}).") from error
    fields = {name: [row[name] for row in rows] for name in columns}
    return SamplePoints(str(path), np.asarray(shapely.points(xy), dtype=object), fields)


def _read_vector(path: Path) -> SamplePoints:
    layer: Layer = read_layer(path)
    if (shapely.get_type_id(layer.geometries) != shapely.GeometryType.POINT).any():
        raise DataError(f"{path}: a sample is points, and the layer holds {layer.geometry_type} features.")
    fields = {name: [_text(value) for value in values] for name, values in layer.fields.items()}
    return SamplePoints(str(path), layer.geometries, fields, layer.crs)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value) if whole else value).strip()


def _few(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


# Estimates of a map as plain values: areas in hectares, accuracies, and how sure each one is.

ESTIMATE_COLUMNS = (
    "class",
    "name",
    "points",
    "mapped_ha",
    "area_ha",
    "area_margin_ha",
    "area_m2",
    "area_margin_m2",
    "area_share",
    "area_share_margin",
    "area_share_se",
    "users",
    "users_margin",
    "producers",
    "producers_margin",
)
_HECTARE_M2 = 1e4


def estimate_values(
    found: AreaEstimates, counts: npt.NDArray[np.int64], totals: ClassTotals, confidence: float, in_metres: bool
) -> dict[str, Any]:
    """What `metrics.area_estimates` found, for JSON; margins are half intervals, rows of matrices are map classes."""
    total_m2 = float(totals.areas_m2.sum()) if in_metres else math.nan
    return {
        "confidence": confidence,
        "total_area_ha": _or_none(total_m2 / _HECTARE_M2),
        "overall": float(found.overall.value[0]),
        "overall_se": float(found.overall.se[0]),
        "overall_margin": float(found.overall.margin(confidence)[0]),
        "classes": [
            {
                "class": index,
                "name": name,
                "points": int(counts[:, index].sum()),
                **_area(found.area, index, total_m2, confidence),
                "mapped_ha": float(totals.areas_m2[index]) / _HECTARE_M2 if in_metres else None,
                **_accuracy("users", found.users, index, confidence),
                **_accuracy("producers", found.producers, index, confidence),
            }
            for index, name in enumerate(totals.legend.names)
        ],
        "class_names": list(totals.legend.names),
        "counts": counts.sum(axis=0).tolist(),
        "proportions": found.proportions.tolist(),
    }


def _area(area: Estimate, index: int, total_m2: float, confidence: float) -> dict[str, float | None]:
    share, margin = float(area.value[index]), float(area.margin(confidence)[index])
    return {
        "area_ha": _or_none(share * total_m2 / _HECTARE_M2),
        "area_margin_ha": _or_none(margin * total_m2 / _HECTARE_M2),
        "area_m2": _or_none(share * total_m2),
        "area_margin_m2": _or_none(margin * total_m2),
        "area_share": share,
        "area_share_margin": margin,
        "area_share_se": float(area.se[index]),
    }


def _accuracy(name: str, accuracy: Estimate, index: int, confidence: float) -> dict[str, float]:
    return {name: float(accuracy.value[index]), f"{name}_margin": float(accuracy.margin(confidence)[index])}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


# Plan an assessment: how many points a sample of a map needs, and how they are shared out among its classes.


def assess_plan(
    mask: str | Path,
    *,
    target_se: float = 0.01,
    expected_accuracy: float = 0.8,
    expected_accuracies: Mapping[str, float] | None = None,
    min_points: int = 50,
) -> dict[str, Any]:
    """Plan a stratified sample: points needed for a standard error of the overall accuracy, and their allocations.

    `expected_accuracies` are user's accuracies by class name, `expected_accuracy` holds for the others. With each
    allocation comes the standard error that it would give. Raises `UsageError` for what is no accuracy, `DataError`
    for a class that does not exist. Source: Olofsson et al. 2014, RSE 148, equation 13.
    """
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
    accuracies = np.full(totals.legend.num_classes, expected_accuracy)
    for name, accuracy in (expected_accuracies or {}).items():
        accuracies[totals.legend.id_from_name(name)] = accuracy
    weights = totals.weights
    points = required_sample_size(weights.tolist(), accuracies.tolist(), target_se, int(totals.pixels.sum()))
    points = max(points, 2 * int((weights > 0).sum()))
    allocations = {how: allocate_points(points, weights, how, min_points=min_points) for how in ALLOCATIONS}
    return {
        "mask": str(mask),
        "target_se": target_se,
        "points": points,
        "expected_se": {how: _expected_se(weights, accuracies, sizes) for how, sizes in allocations.items()},
        "classes": [
            {
                "class": index,
                "name": name,
                "weight": float(weights[index]),
                "expected_accuracy": float(accuracies[index]),
                **{how: int(sizes[index]) for how, sizes in allocations.items()},
            }
            for index, name in enumerate(totals.legend.names)
        ],
    }


def _expected_se(
    weights: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], sizes: npt.NDArray[np.int64]
) -> float:
    return float(np.sqrt((weights**2 * accuracies * (1 - accuracies) / np.maximum(sizes, 1)).sum()))


# Draw the sample of an assessment: pixels at random within strata, written as points to be labelled.

_SUFFIXES = (".gpkg", ".csv")


def assess_sample(
    mask: str | Path,
    output: str | Path,
    *,
    points: int = 500,
    seed: int = 0,
    allocation: str = "olofsson",
    min_points: int = 50,
    strata: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draw pixels at random within strata, which are the map's classes, and write their centres to be labelled.

    A `.gpkg` holds points for a GIS, a `.csv` a table; both have the fields id, x, y (in the CRS of the map),
    map_class, map_name and an empty `reference` for the name (or id) of the true class. Points stand in random order.
    With `strata`, another class map, its classes are the strata, and a field `stratum` says which. The maps stream
    by; the same seed gives the same points. See `metrics.sampling.allocate_points` for `allocation` and `min_points`.
    Raises `UsageError` for options and outputs that make no sense, `DataError` for files that are no class maps.
    """
    output = check_output(output, overwrite=overwrite, suffixes=_SUFFIXES)
    with open_class_scene(strata if strata is not None else mask) as scene:
        totals = class_totals(scene)
        sizes = allocate_points(points, totals.weights, allocation, min_points=min_points)
        drawn = draw_stratified(_strata_blocks(scene), sizes, seed)
        grid = scene.grid
    centers = points_of_pixels(drawn.rows, drawn.cols, grid)
    legend = totals.legend if strata is None else None
    fields = _sample_fields(mask, SamplePoints(str(output), centers, {}, _crs(grid)), legend)
    if strata is not None:
        fields["stratum"] = np.array(totals.legend.names, dtype=object)[drawn.strata]
    _write_sample(output, centers, fields, _crs(grid), overwrite)
    return {
        "mask": str(mask),
        "strata": None if strata is None else str(strata),
        "output": str(output),
        "points": len(drawn.rows),
        "seed": seed,
        "allocation": allocation,
        "classes": _per_stratum(totals, drawn),
    }


def _strata_blocks(scene: Scene) -> Iterator[StrataBlock]:
    for window, ids, areas in iter_class_blocks(scene, "Drawing"):
        yield StrataBlock(ids, areas, window.row_off, window.col_off)


def _sample_fields(mask: str | Path, sample: SamplePoints, legend: Legend | None) -> dict[str, npt.NDArray[Any]]:
    with open_class_scene(mask) as scene:
        ids, legend = class_ids_at(scene, sample), legend or class_totals(scene).legend
    xy = shapely.get_coordinates(sample.points)
    return {
        "id": np.arange(1, len(ids) + 1),
        "x": xy[:, 0],
        "y": xy[:, 1],
        "map_class": ids.astype(np.int32),
        "map_name": np.array(legend.names, dtype=object)[ids],
        "reference": np.full(len(ids), "", dtype=object),
    }


def _write_sample(
    path: Path, points: npt.NDArray[Any], fields: Mapping[str, npt.NDArray[Any]], crs: str | None, overwrite: bool
) -> None:
    if path.suffix.lower() == ".csv":
        columns = list(fields)
        rows = zip(*(fields[name].tolist() for name in columns), strict=True)
        write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    else:
        write_features(path, [Layer("sample", "Point", points, fields, crs)], overwrite=overwrite)


def _crs(grid: Grid) -> str | None:
    return grid.crs if grid.is_georeferenced else None


def _per_stratum(totals: ClassTotals, drawn: Drawn) -> list[dict[str, Any]]:
    counts, weights = np.bincount(drawn.strata, minlength=totals.legend.num_classes), totals.weights
    return [
        {"class": index, "name": name, "weight": float(weights[index]), "points": int(counts[index])}
        for index, name in enumerate(totals.legend.names)
    ]


# Assess a map: what the labels of a sample say of its areas and accuracy, and how surely.


def assess_estimate(
    sample: str | Path,
    mask: str | Path,
    *,
    reference_field: str = "reference",
    strata: str | Path | None = None,
    strata_field: str | None = None,
    confidence: float = 0.95,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Estimate areas and accuracies of a class map from a labelled sample, with their confidence intervals.

    Each point's map class is read from `mask`, its true class from `reference_field` (names or ids of the map). The
    strata are the map's classes; for a sample that was drawn by another map name that as `strata`, and its field as
    `strata_field` where the strata of the points are not to be read from it. Every point must be labelled. Areas are
    hectares and square metres on the ground, None without a CRS. `output` takes the table of classes as CSV.
    Raises `DataError` for samples that do not fit the map, `UsageError` for options and outputs that make no sense.
    Source: Olofsson et al. 2014, RSE 148; general strata: Stehman 2014, Int. J. Remote Sensing 35(13).
    """
    if strata_field is not None and strata is None:
        raise UsageError("--strata-field needs the areas of its strata: give their map with --strata.")
    path = None if output is None else check_output(output, overwrite=overwrite, suffixes=(".csv",))
    z_value(confidence)
    points = read_points(sample)
    labels = points.labels(reference_field)
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
        mapped = class_ids_at(scene, points)
        in_metres = scene.grid.is_georeferenced
    reference = ids_from_labels(labels, totals.legend, f"{sample}, field {reference_field}")
    if strata is None:
        _check_drawn_from(points, mapped, totals.legend, mask)
        stratum, strata_totals = mapped, totals
    else:
        stratum, strata_totals = _strata_of(points, strata, strata_field)
    counts = _counts(stratum, strata_totals, mapped, reference, totals.legend.num_classes)
    found = area_estimates(counts, strata_totals.weights)
    values = estimate_values(found, counts, totals, confidence, in_metres)
    if path is not None:
        write_table(path, values["classes"], ESTIMATE_COLUMNS)
    named = {"sample": str(sample), "mask": str(mask), "strata": None if strata is None else str(strata)}
    return {**named, "points": len(points), **values, "output": None if path is None else str(path)}


def _check_drawn_from(points: SamplePoints, mapped: npt.NDArray[Any], legend: Legend, mask: str | Path) -> None:
    if "map_class" not in points.fields:
        return
    drawn = ids_from_labels(points.labels("map_class"), legend, f"{points.path}, field map_class")
    differ = int((drawn != mapped).sum())
    if differ:
        raise DataError(
            f"{differ} of {len(points)} points have another class in {mask} than when they were drawn. If they were "
            "drawn by another map, name that with --strata."
        )


def _strata_of(
    points: SamplePoints, strata: str | Path, field: str | None
) -> tuple[npt.NDArray[np.int64], ClassTotals]:
    with open_class_scene(strata) as scene:
        totals = class_totals(scene)
        if field is None:
            return class_ids_at(scene, points), totals
    return ids_from_labels(points.labels(field), totals.legend, f"{points.path}, field {field}"), totals


def _counts(
    stratum: npt.NDArray[np.int64],
    strata: ClassTotals,
    mapped: npt.NDArray[np.int64],
    reference: npt.NDArray[np.int64],
    classes: int,
) -> npt.NDArray[np.int64]:
    counts = np.zeros((strata.legend.num_classes, classes, classes), np.int64)
    np.add.at(counts, (stratum, mapped, reference), 1)
    points = counts.sum(axis=(1, 2))
    few = np.flatnonzero((strata.pixels > 0) & (points < 2))
    if len(few):
        name = strata.legend.names[few[0]]
        raise DataError(
            f"The stratum {name} has {points[few[0]]} points, and 2 are the fewest. Draw a larger sample, or give the "
            "class to another one in the map when it has no more pixels."
        )
    return counts

"""Draw the sample of an assessment: pixels at random within strata, written as points to be labelled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.legend import Legend
from overland.metrics.sampling import Drawn, StrataBlock, allocate_points, draw_stratified
from overland.raster import Grid, Scene
from overland.raster.write import check_output
from overland.vector import Layer, write_features
from overland.workflows.class_map import ClassTotals, class_totals, iter_class_blocks, open_class_scene
from overland.workflows.sample_points import SamplePoints, class_ids_at, points_of_pixels
from overland.workflows.table import write_table

__all__ = ["draw_sample"]

_SUFFIXES = (".gpkg", ".csv")


def draw_sample(
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

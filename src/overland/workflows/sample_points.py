"""The points of a sample: read from CSV or a vector file, found again on a map, and their reference labels as ids."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend
from overland.raster import Grid, Scene, Window
from overland.vector import Layer, pixels_to_map, read_layer
from overland.vector.ground import map_to_pixels
from overland.vector.project import reprojected
from overland.workflows.class_map import read_ids

__all__ = ["SamplePoints", "class_ids_at", "ids_from_labels", "points_of_pixels", "read_points"]

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
        int(read_ids(scene, Window(row, col, 1, 1))[0, 0])
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

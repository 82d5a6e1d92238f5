"""The only door out for vector files: a file appears under its name when it is whole, counted and on the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.errors
import pyogrio.raw
import shapely

from overland.errors import DataError, ResourceError
from overland.output import check_output
from overland.vector.formats import require_pyarrow, write_geoparquet, write_graphml
from overland.vector.layer import Layer

__all__ = ["GRAPH_SUFFIXES", "VECTOR_SUFFIXES", "check_vector_output", "write_features"]

GRAPH_SUFFIXES = (".graphml",)
"""Suffixes of files that hold road graphs alone."""
VECTOR_SUFFIXES = (".gpkg", ".geojson", ".parquet", *GRAPH_SUFFIXES)
"""Suffixes of vector files that Overland writes."""


def check_vector_output(path: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a vector file may be written, before any work is done.

    Args:
        path: Where it will be written; its suffix is one of `VECTOR_SUFFIXES`.
        overwrite: Accept a file that exists.

    Returns:
        The path.

    Raises:
        UsageError: The suffix is unknown, or the file exists and may not be replaced.
        MissingExtraError: It is a GeoParquet file, and pyarrow is not installed.
    """
    path = check_output(path, overwrite=overwrite, suffixes=VECTOR_SUFFIXES)
    if path.suffix.lower() == ".parquet":
        require_pyarrow()
    return path


def write_features(path: str | Path, layers: Sequence[Layer], *, overwrite: bool = False) -> Path:
    """Write layers to a vector file, whose suffix decides the format.

    `.gpkg` holds every layer and keeps the CRS. `.geojson` and `.parquet` hold the first layer alone: GeoJSON in
    longitude and latitude (RFC 7946) when the layer has a CRS, GeoParquet 1.1 in the CRS of the layer. `.graphml`
    takes the edges and nodes of a road graph. Without a CRS the coordinates are written as they are.

    Args:
        path: Where to write; the file appears there when it is whole.
        layers: At least one.
        overwrite: Replace a file that exists.

    Returns:
        The path.

    Raises:
        UsageError: What `check_vector_output` raises, or layers that the format cannot hold.
        MissingExtraError: It is a GeoParquet file, and pyarrow is not installed.
        DataError: The file cannot be written there.
        ResourceError: The disk is full.
    """
    path = check_vector_output(path, overwrite=overwrite)
    folder = None
    try:
        # A folder of its own: GDAL leaves files next to its output, and cannot write names with a semicolon.
        folder = Path(tempfile.mkdtemp(prefix=".overland-", dir=path.parent))
        part = folder / f"layer{path.suffix.lower()}"
        _WRITERS[path.suffix.lower()](part, layers)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        if folder is not None and shutil.disk_usage(path.parent).free < 1 << 20:
            raise ResourceError(f"{path}: the disk is full. Free some space, or write to another disk.") from error
        raise DataError(f"{path} cannot be written ({error}).") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return path


def _write_geopackage(path: Path, layers: Sequence[Layer]) -> None:
    for layer in layers:
        _write_layer(path, layer, "GPKG", append=path.exists(), layer_options={"SPATIAL_INDEX": "YES"})


def _write_geojson(path: Path, layers: Sequence[Layer]) -> None:
    options = {"COORDINATE_PRECISION": "3"} if layers[0].crs is None else {"RFC7946": "YES"}
    _write_layer(path, layers[0], "GeoJSON", append=False, layer_options=options)


def _write_parquet(path: Path, layers: Sequence[Layer]) -> None:
    write_geoparquet(path, layers[0])


_WRITERS: dict[str, Callable[[Path, Sequence[Layer]], None]] = {
    ".gpkg": _write_geopackage,
    ".geojson": _write_geojson,
    ".parquet": _write_parquet,
    ".graphml": write_graphml,
}


def _write_layer(path: Path, layer: Layer, driver: str, **options: Any) -> None:
    with warnings.catch_warnings():
        # A layer in pixel coordinates has no CRS, and its user has been told.
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(layer.geometries),
            field_data=[np.asarray(values) for values in layer.fields.values()],
            fields=list(layer.fields),
            layer=layer.name,
            driver=driver,
            geometry_type=layer.geometry_type,
            crs=layer.crs,
            **options,
        )
    written = pyogrio.read_info(path, layer=layer.name, force_feature_count=True)["features"]
    if written != len(layer):
        raise ResourceError(f"{path}: {written} of {len(layer)} features read back. Is the disk full or failing?")

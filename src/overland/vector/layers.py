"""Writing vector files: to a part file, counted, then renamed."""

from __future__ import annotations

import os
import shutil
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
from overland.raster.write import check_output
from overland.vector.graphml import write_graphml
from overland.vector.layer import Layer
from overland.vector.parquet import require_pyarrow, write_geoparquet

__all__ = ["GRAPH_SUFFIXES", "VECTOR_SUFFIXES", "check_vector_output", "write_features"]

GRAPH_SUFFIXES = (".graphml",)
VECTOR_SUFFIXES = (".gpkg", ".geojson", ".parquet", *GRAPH_SUFFIXES)


def check_vector_output(path: str | Path, *, overwrite: bool = False) -> Path:
    """Make sure that a vector file may be written, before any work is done.

    Raises `UsageError` for an unknown suffix or a file that exists, `MissingExtraError` for GeoParquet without pyarrow.
    """
    path = check_output(path, overwrite=overwrite, suffixes=VECTOR_SUFFIXES)
    if path.suffix.lower() == ".parquet":
        require_pyarrow()
    return path


def write_features(path: str | Path, layers: Sequence[Layer], *, overwrite: bool = False) -> Path:
    """Write layers to a vector file, whose suffix decides the format; it appears under its name only when it is whole.

    `.gpkg` holds every layer and keeps the CRS. `.geojson` and `.parquet` hold the first layer alone: GeoJSON in
    longitude and latitude (RFC 7946) when the layer has a CRS, GeoParquet 1.1 in the CRS of the layer. `.graphml`
    takes the edges and nodes of a road graph. Without a CRS the coordinates are written as they are. Raises what
    `check_vector_output` raises, `UsageError` for layers that the format cannot hold, `ResourceError` when the disk is
    full.
    """
    path = check_vector_output(path, overwrite=overwrite)
    # GDAL insists on the suffix of a GeoPackage, so "part" stands before it.
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        _WRITERS[path.suffix.lower()](part, layers)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        if shutil.disk_usage(path.parent).free < 1 << 20:
            raise ResourceError(f"{path}: the disk is full. Free some space, or write to another disk.") from error
        raise DataError(f"{path} cannot be written ({error}).") from error
    finally:
        for leftover in path.parent.glob(f"{path.stem}.part{path.suffix}*"):
            leftover.unlink()
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

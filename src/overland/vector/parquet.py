"""GeoParquet 1.1: WKB geometries in a Parquet table, with the CRS as PROJJSON in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from overland.errors import DataError, import_extra
from overland.vector.layer import Layer

__all__ = ["read_geoparquet", "require_pyarrow", "write_geoparquet"]

_GEOMETRY = "geometry"


def require_pyarrow() -> None:
    """Raise `MissingExtraError` with the pip command when pyarrow is not installed."""
    _pyarrow("pyarrow")


def write_geoparquet(path: Path, layer: Layer) -> None:
    """Write a layer as GeoParquet 1.1. Source: https://geoparquet.org/releases/v1.1.0/"""
    table = _pyarrow("pyarrow").table(
        {
            **layer.fields,
            _GEOMETRY: _pyarrow("pyarrow").array(shapely.to_wkb(layer.geometries), type=_pyarrow("pyarrow").binary()),
        }
    )
    table = table.replace_schema_metadata({"geo": json.dumps(_geo_metadata(layer))})
    _pyarrow("pyarrow.parquet").write_table(table, path, compression="zstd")


def read_geoparquet(path: Path) -> Layer:
    """Read a GeoParquet file. Raises `DataError` when it is not one."""
    table = _pyarrow("pyarrow.parquet").read_table(path)
    geo = json.loads((table.schema.metadata or {}).get(b"geo", b"null"))
    if geo is None:
        raise DataError(f"{path} is a Parquet file without geo metadata, so not GeoParquet. Write it again with a GIS.")
    primary = geo["primary_column"]
    column = geo["columns"][primary]
    if column["encoding"] != "WKB":
        raise DataError(
            f"{path} stores its geometries as {column['encoding']}; only WKB is read. Convert it with a GIS."
        )
    crs = column.get("crs", "OGC:CRS84")
    types = column["geometry_types"]
    return Layer(
        name=path.stem,
        geometry_type=types[0] if len(types) == 1 else "Unknown",
        geometries=shapely.from_wkb(table.column(primary).to_numpy()),
        fields={name: table.column(name).to_numpy() for name in table.column_names if name != primary},
        crs=None if crs is None else pyproj.CRS.from_user_input(crs).to_string(),
    )


def _geo_metadata(layer: Layer) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [] if layer.geometry_type == "Unknown" else [layer.geometry_type],
        # A missing key would mean longitude and latitude; null means that nothing is known.
        "crs": None if layer.crs is None else pyproj.CRS.from_user_input(layer.crs).to_json_dict(),
    }
    if len(layer):
        column["bbox"] = np.asarray(shapely.total_bounds(layer.geometries)).tolist()
    return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}


def _pyarrow(module: str) -> Any:
    return import_extra(module, "parquet", "GeoParquet")

"""Writing vector files: to a part file, counted, then renamed."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyogrio.errors
import pyogrio.raw
import shapely

from overland.errors import DataError, ResourceError
from overland.raster.write import check_output
from overland.vector.formats import Layer, read_geoparquet, require_pyarrow, write_geoparquet, write_graphml

__all__ = [
    "GRAPH_SUFFIXES",
    "VECTOR_SUFFIXES",
    "check_vector_output",
    "read_layer",
    "read_lines",
    "write_features",
]


# Reading vector files: layers with their fields, and lines alone.

_LINES = {shapely.GeometryType.LINESTRING, shapely.GeometryType.LINEARRING}


def read_layer(path: str | Path, name: str | None = None) -> Layer:
    """Read a layer of a vector file, the first one unless named; any format of GDAL, and GeoParquet.

    Features without a geometry are left out. Raises `DataError` when there is no such file or layer.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist. Check the spelling and the folder.")
    if path.suffix.lower() == ".parquet":
        return read_geoparquet(path)
    try:
        meta, _, geometries, values = pyogrio.raw.read(path, layer=0 if name is None else name, force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DataError(f"{path}, layer {name or '1'}, cannot be read as vector data ({error}).") from error
    if geometries is None:
        raise DataError(f"{path}, layer {name or '1'}, is a table without geometries; name another layer.")
    geometries = np.asarray(shapely.from_wkb(geometries), dtype=object)
    present = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    fields = {field: column[present] for field, column in zip(meta["fields"], values, strict=True)}
    return Layer(name or path.stem, meta["geometry_type"], geometries[present], fields, meta["crs"])


def read_lines(path: str | Path, name: str | None = None) -> tuple[npt.NDArray[np.object_], str | None]:
    """Read the lines of a vector file, multi-part ones taken apart, and their CRS.

    Raises `DataError` when the layer cannot be read or holds something else than lines.
    """
    layer = read_layer(path, name)
    lines = np.asarray(shapely.get_parts(layer.geometries), dtype=object)
    others = set(shapely.get_type_id(lines).tolist()) - {int(kind) for kind in _LINES}
    if others:
        found = ", ".join(sorted(shapely.GeometryType(kind).name for kind in others))
        raise DataError(f"{path}: lines are needed here, the layer holds {found}. Name another layer or file.")
    return lines, layer.crs


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

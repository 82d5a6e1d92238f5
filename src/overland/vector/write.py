"""The only door out for vector files: a file appears under its name when it is whole, counted and on the disk."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.errors
import pyogrio.raw
import shapely

from overland.errors import DataError, ResourceError
from overland.output import check_output, fresh_file
from overland.vector.formats import require_pyarrow, write_geoparquet, write_graphml
from overland.vector.globe import to_longitude_latitude
from overland.vector.layer import Layer

__all__ = ["GRAPH_SUFFIXES", "VECTOR_SUFFIXES", "check_vector_output", "write_features"]

GRAPH_SUFFIXES = (".graphml",)
"""Suffixes of files that hold road graphs alone."""
VECTOR_SUFFIXES = (".gpkg", ".geojson", ".parquet", *GRAPH_SUFFIXES)
"""Suffixes of vector files that Overland writes."""


# RFC 7946 asks for no more than centimetres; pixels of a drone or a scanner are smaller than that.
_FEWEST_DECIMALS, _MOST_DECIMALS = 7, 15
_METRES_PER_DEGREE = 111_320.0


def check_vector_output(path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> Path:
    """Make sure that a vector file may be written, before any work is done.

    Args:
        path: The file to be written; its suffix is one of `VECTOR_SUFFIXES`.
        overwrite: Accept a file that exists.
        inputs: Files that are read; the output may be none of them.

    Returns:
        The path.

    Raises:
        UsageError: The suffix is unknown, the file exists and may not be replaced, or the folder takes no files.
        MissingExtraError: It is a GeoParquet file, and pyarrow is not installed.
    """
    path = check_output(path, overwrite=overwrite, suffixes=VECTOR_SUFFIXES, inputs=inputs)
    if path.suffix.lower() == ".parquet":
        require_pyarrow()
    return path


def write_features(
    path: str | Path, layers: Sequence[Layer], *, pixel_size: float | None = None, overwrite: bool = False
) -> Path:
    """Write layers to a vector file, whose suffix decides the format.

    `.gpkg` holds every layer and keeps the CRS. `.geojson` and `.parquet` hold the first layer alone: GeoJSON in
    longitude and latitude (RFC 7946) when the layer has a CRS, GeoParquet 1.1 in the CRS of the layer. `.graphml`
    takes the edges and nodes of a road graph. Without a CRS the coordinates are written as they are.

    Args:
        path: The file to write; it appears when it is whole.
        layers: At least one.
        pixel_size: The side of a pixel of the raster that the geometries come from, in metres (in the units of the
            layer without a CRS); GeoJSON then keeps coordinates to a hundredth of it.
        overwrite: Replace a file that exists.

    Returns:
        The path.

    Raises:
        UsageError: What `check_vector_output` raises, or layers that the format cannot hold.
        MissingExtraError: It is a GeoParquet file, and pyarrow is not installed.
        DataError: The file cannot be written, or its CRS has no longitude and latitude, which GeoJSON needs.
        ResourceError: The disk is full.
    """
    path = check_vector_output(path, overwrite=overwrite)
    suffix = path.suffix.lower()
    layer = layers[0]
    options: dict[str, str] = {}
    if suffix == ".geojson":
        unit_m, fewest = 1.0, 3
        if layer.crs is not None:
            moved = to_longitude_latitude(layer.geometries, layer.crs)
            is_single = bool((shapely.get_num_geometries(moved) == 1).all())
            kind = layer.geometry_type if is_single else "Unknown"
            layer = Layer(layer.name, kind, moved, layer.fields, "EPSG:4326")
            unit_m, fewest, options["RFC7946"] = _METRES_PER_DEGREE, _FEWEST_DECIMALS, "YES"
        decimals = math.ceil(math.log10(100 * unit_m / pixel_size)) if pixel_size else fewest
        options["COORDINATE_PRECISION"] = str(min(max(decimals, fewest), _MOST_DECIMALS))
    with fresh_file(path, suffix) as part:
        try:
            if suffix == ".geojson":
                _write_layer(part, layer, "GeoJSON", append=False, layer_options=options)
            elif suffix == ".gpkg":
                for each in layers:
                    _write_layer(part, each, "GPKG", append=part.exists(), layer_options={"SPATIAL_INDEX": "YES"})
            elif suffix == ".parquet":
                write_geoparquet(part, layer)
            else:
                write_graphml(part, layers)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            # GDAL has no error number of its own for a full disk.
            if shutil.disk_usage(path.parent).free < 1 << 20:
                raise ResourceError(f"{path}: the disk is full. Free some space, or write to another disk.") from error
            raise DataError(f"{path} cannot be written ({error}).") from error
        finally:
            # GDAL leaves journals next to a GeoPackage that it could not finish.
            for leftover in part.parent.glob(f"{part.name}-*"):
                leftover.unlink()
    return path


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

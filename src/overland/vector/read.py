"""Reading vector files: layers with their fields, and lines alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyogrio.errors
import pyogrio.raw
import shapely

from overland.errors import DataError
from overland.vector.layer import Layer
from overland.vector.parquet import read_geoparquet

__all__ = ["read_layer", "read_lines"]

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

"""The only door in for vector files: which layer is meant, what its CRS is, and whether its geometries make sense."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.errors
import pyogrio.raw
import pyproj
import pyproj.exceptions
import shapely

from overland.errors import DataError
from overland.vector.formats import read_geoparquet
from overland.vector.layer import Geometries, Layer

__all__ = ["read_layer", "read_lines"]

logger = logging.getLogger(__name__)

_LINES = {shapely.GeometryType.LINESTRING, shapely.GeometryType.LINEARRING}
# GDAL's own names of files inside archives; it reads them without unpacking.
_IN_ARCHIVE = ("/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/")
_SHOWN = 5
# A hair more than a pole, since files keep seven decimals; a whole turn more than 0 to 360, since rasters go on there.
_MAX_LATITUDE, _MAX_LONGITUDE = 90.000001, 720.0


def read_layer(path: str | Path, name: str | None = None, *, kinds: Collection[str] = ()) -> Layer:
    """Read one layer of a vector file in any format of GDAL, or a GeoParquet file.

    Features without a geometry are left out. So are those whose geometry is none (a line of one point, a ring that
    does not close, infinite coordinates), with a warning that says which; polygons that cross themselves are repaired.

    Args:
        path: A regular file, the folder of a File Geodatabase, or GDAL's name of a file in an archive (/vsizip/...).
        name: The layer. Without a name it is the only one, or the first of the kinds that are looked for; a warning
            lists the others.
        kinds: Geometry types that are looked for where no layer is named: "Polygon", "LineString", "Point". Multi-part
            types count as their parts.

    Returns:
        The layer with its fields and its CRS; coordinates are two-dimensional.

    Raises:
        DataError: There is no such file or layer, it cannot be read, its CRS is not known, or its coordinates cannot be
            what the CRS says they are.
        MissingExtraError: It is a GeoParquet file, and pyarrow is not installed.
    """
    if not str(path).startswith(_IN_ARCHIVE):
        file = Path(path)
        try:
            exists, is_readable = file.exists(), file.is_file() or file.is_dir()
        except (OSError, ValueError) as error:
            raise DataError(f"{str(file)!r} cannot be opened ({error}).") from error
        if not exists:
            raise DataError(f"{file} does not exist. Check the spelling and the folder.")
        if not is_readable:
            # A named pipe would block for ever.
            raise DataError(f"{file} is neither a file nor a folder, but a pipe or a device. Save it as a file first.")
    if Path(path).suffix.lower() == ".parquet":
        layer = read_geoparquet(Path(path))
    else:
        layer = _read_with_gdal(path, _choose_layer(path, kinds) if name is None else name, name)
    crs = None if layer.crs is None else pyproj.CRS.from_user_input(layer.crs)
    if crs is not None and crs.is_geographic:
        xy = shapely.get_coordinates(layer.geometries)
        xy = xy[np.isfinite(xy).all(axis=1)]
        degrees = np.degrees(crs.axis_info[0].unit_conversion_factor)
        longitude, latitude = np.abs(xy).max(axis=0, initial=0) * degrees
        if latitude > _MAX_LATITUDE or longitude > _MAX_LONGITUDE:
            raise DataError(
                f"{path} declares longitude and latitude ({layer.crs}), but holds coordinates up to {longitude:.10g} "
                f"and {latitude:.10g} degrees. Declare the CRS that they are in."
            )
    return _without_broken(path, layer)


def read_lines(path: str | Path, name: str | None = None) -> tuple[Geometries, str | None]:
    """Read the lines of a vector file, multi-part ones taken apart.

    Args:
        path: As for `read_layer`.
        name: The layer; without a name the first that holds lines.

    Returns:
        LineStrings (n,) and their CRS.

    Raises:
        DataError: The layer cannot be read, or holds something else than lines.
    """
    layer = read_layer(path, name, kinds=("LineString",))
    lines = np.asarray(shapely.get_parts(layer.geometries), dtype=object)
    others = set(shapely.get_type_id(lines).tolist()) - {int(kind) for kind in _LINES}
    if others:
        found = ", ".join(sorted(shapely.GeometryType(kind).name for kind in others))
        raise DataError(f"{path}: lines are needed here, the layer holds {found}. Name another layer or file.")
    return lines, layer.crs


def _gdal_name(path: str | Path) -> str | Path:
    # pyogrio takes a semicolon for the end of a path, and an exclamation mark for that of an archive.
    if str(path).startswith(_IN_ARCHIVE) or not {";", "!"} & set(str(path)):
        return path
    return f"/vsisubfile/0,{Path(path).absolute()}"


def _choose_layer(path: str | Path, kinds: Collection[str]) -> str:
    try:
        layers = [(str(name), kind) for name, kind in pyogrio.list_layers(_gdal_name(path)) if kind is not None]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as vector data ({error}).") from error
    if not layers:
        raise DataError(f"{path} holds no layer with geometries, only tables or nothing.")
    fitting = [name for name, kind in layers if not kinds or _plain_kind(kind) in {*kinds, "Unknown"}]
    listed = ", ".join(f"{name} ({_plain_kind(kind)})" for name, kind in layers[:_SHOWN])
    if len(layers) > len(layers[:_SHOWN]):
        listed += f" and {len(layers) - _SHOWN} more"
    chosen = (fitting or [layers[0][0]])[0]
    if not fitting and len(layers) > 1:
        wanted = " or ".join(kinds)
        raise DataError(f"{path} holds no layer of {wanted} features, but {listed}.")
    if len(fitting) > 1:
        logger.warning("%s holds %d layers: %s. The layer %s is read.", path, len(layers), listed, chosen)
    return chosen


def _plain_kind(kind: str) -> str:
    """Return the type of a layer's parts: "MultiPolygon Z" becomes "Polygon"."""
    return kind.split()[0].removeprefix("Multi").removeprefix("2.5D ").replace("GeometryCollection", "Unknown")


def _read_with_gdal(path: str | Path, layer_name: str, asked: str | None) -> Layer:
    try:
        meta, _, wkb, values = pyogrio.raw.read(_gdal_name(path), layer=layer_name, force_2d=True)
        if wkb is None:
            raise DataError(f"{path}, layer {layer_name}, is a table without geometries; name another layer.")
        geometries = np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object)
    # pyogrio's own errors are RuntimeErrors; texts in another encoding than the file declares are ValueErrors.
    except (OSError, RuntimeError, ValueError, shapely.errors.ShapelyError) as error:
        raise DataError(f"{path}, layer {layer_name}, cannot be read as vector data ({error}).") from error
    if meta["crs"] is not None:
        try:
            pyproj.CRS.from_user_input(meta["crs"])
        except pyproj.exceptions.CRSError as error:
            raise DataError(f"{path} declares a CRS that is not known here. Reproject it with a GIS.") from error
    present = np.array([content is not None for content in wkb], dtype=bool)
    fields = {field: column[present] for field, column in zip(meta["fields"], values, strict=True)}
    kind = meta["geometry_type"] or "Unknown"
    # The only layer of a file is called like the file: GeoJSON and others give it names of their own.
    title = asked or Path(path).stem
    return Layer(title, kind, geometries[present], fields, meta["crs"])


def _without_broken(path: str | Path, layer: Layer) -> Layer:
    geometries = layer.geometries
    empty = ~shapely.is_missing(geometries) & shapely.is_empty(geometries)
    xy, index = shapely.get_coordinates(geometries, return_index=True)
    is_infinite = np.zeros(len(geometries), dtype=bool)
    is_infinite[index[~np.isfinite(xy).all(axis=1)]] = True
    broken = shapely.is_missing(geometries) | (~empty & is_infinite)
    if broken.any():
        rows = ", ".join(map(str, (np.flatnonzero(broken) + 1)[:_SHOWN].tolist()))
        message = (
            f"{path}: {int(broken.sum())} of {len(layer)} features have no valid geometry: a line of one point, a "
            f"ring that does not close, or coordinates that are no numbers (features {rows}"
            f"{', ...' if broken.sum() > _SHOWN else ''})."
        )
        if broken.all():
            raise DataError(message)
        logger.warning("%s They are left out.", message)
    kept = ~(broken | empty)
    geometries = geometries[kept]
    # GEOS refuses to intersect polygons that cross themselves.
    crossing = (shapely.get_dimensions(geometries) == 2) & ~shapely.is_valid(geometries)
    if crossing.any():
        logger.info("%s: %d polygons cross themselves and were repaired.", path, int(crossing.sum()))
        geometries[crossing] = shapely.make_valid(geometries[crossing], method="structure", keep_collapsed=False)
    fields = {name: values[kept] for name, values in layer.fields.items()}
    return Layer(layer.name, layer.geometry_type, geometries, fields, layer.crs)

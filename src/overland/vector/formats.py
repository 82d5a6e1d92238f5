"""Formats that GDAL's wheels do not write: GeoParquet 1.1, and GraphML as osmnx has it, which routes on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pyproj
import shapely

from overland.errors import DataError, UsageError, import_extra
from overland.vector.layer import Layer

__all__ = [
    "osmnx_graph",
    "read_geoparquet",
    "require_pyarrow",
    "write_geoparquet",
    "write_graphml",
]

_GEOMETRY = "geometry"


def require_pyarrow() -> None:
    """Make sure that GeoParquet can be read and written.

    Raises:
        MissingExtraError: pyarrow is not installed; the message holds the pip command.
    """
    _pyarrow("pyarrow")


def write_geoparquet(path: Path, layer: Layer) -> None:
    """Write a layer as GeoParquet 1.1: WKB geometries in a Parquet table, with the CRS as PROJJSON in its metadata.

    Args:
        path: The file, which is replaced.
        layer: The layer that it will hold; a field called geometry is not possible.

    Raises:
        MissingExtraError: pyarrow is not installed.

    Source: https://geoparquet.org/releases/v1.1.0/
    """
    pyarrow = _pyarrow("pyarrow")
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [] if layer.geometry_type == "Unknown" else [layer.geometry_type],
        # A missing key would mean longitude and latitude; null means that nothing is known.
        "crs": None if layer.crs is None else pyproj.CRS.from_user_input(layer.crs).to_json_dict(),
    }
    if len(layer):
        column["bbox"] = np.asarray(shapely.total_bounds(layer.geometries)).tolist()
    geo = {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}
    geometries = pyarrow.array(shapely.to_wkb(layer.geometries), type=pyarrow.binary())
    table = pyarrow.table({**layer.fields, _GEOMETRY: geometries})
    table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    _pyarrow("pyarrow.parquet").write_table(table, path, compression="zstd")


def read_geoparquet(path: Path) -> Layer:
    """Read a GeoParquet file.

    Args:
        path: A Parquet file with geo metadata and WKB geometries.

    Returns:
        Its only layer, called like the file; features that cannot be decoded have None for a geometry.

    Raises:
        DataError: The file is damaged, is no Parquet, has no geo metadata, or another encoding than WKB.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow, compute, parquet = map(_pyarrow, ("pyarrow", "pyarrow.compute", "pyarrow.parquet"))
    try:
        table = parquet.read_table(path)
        geo = json.loads((table.schema.metadata or {}).get(b"geo", b"null"))
        if geo is None:
            raise DataError(
                f"{path} is a Parquet file without geo metadata, so not GeoParquet. Write it again with a GIS."
            )
        primary = geo["primary_column"]
        column = geo["columns"][primary]
        if column["encoding"] != "WKB":
            raise DataError(
                f"{path} stores its geometries as {column['encoding']}; only WKB is read. Convert it with a GIS."
            )
        crs, types = column.get("crs", "OGC:CRS84"), column["geometry_types"]
        table = table.filter(compute.is_valid(table.column(primary)))
        wkb = table.column(primary).to_numpy()
        return Layer(
            name=path.stem,
            geometry_type=str(types[0]) if len(types) == 1 else "Unknown",
            geometries=np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object),
            fields={name: table.column(name).to_numpy() for name in table.column_names if name != primary},
            crs=None if crs is None else pyproj.CRS.from_user_input(crs).to_string(),
        )
    # A damaged file fails anywhere between Parquet's footer and the last coordinate, in the words of four libraries.
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        pyarrow.ArrowException,
        shapely.errors.ShapelyError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} cannot be read as GeoParquet ({reason}). It may be damaged: copy it again.") from error


def _pyarrow(module: str) -> Any:
    return import_extra(module, "parquet", "GeoParquet")


def osmnx_graph(edges: Layer, nodes: Layer) -> nx.MultiDiGraph[int]:
    """Turn the layers of a road graph into a graph as osmnx has it: each road once in each direction.

    Args:
        edges: The layer `edges` of `layers_from_graph`.
        nodes: Its layer `nodes`.

    Returns:
        A graph with the attribute `crs`, nodes with `x y street_count`, and edges with `osmid` (the row of the edge in
        its layer), `length` in metres, `oneway`, `reversed`, `geometry` in the direction of the edge, and all fields of
        the layer.

    Source: https://osmnx.readthedocs.io, `graph_from_gdfs` and `load_graphml`.
    """
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    graph.graph.update({"simplified": True, "created_with": "Overland"} | ({"crs": edges.crs} if edges.crs else {}))
    degree = nodes.fields["degree"]
    for row, node in enumerate(nodes.fields["node"].tolist()):
        point = nodes.geometries[row]
        graph.add_node(node, x=point.x, y=point.y, street_count=int(degree[row]))
    others = {name: values.tolist() for name, values in edges.fields.items() if name not in {"u", "v", "length_m"}}
    lengths_m = edges.fields["length_m"].tolist()
    for row, (u, v) in enumerate(zip(edges.fields["u"].tolist(), edges.fields["v"].tolist(), strict=True)):
        data = {"osmid": row, "length": float(lengths_m[row]), "oneway": False}
        data |= {name: values[row] for name, values in others.items()}
        graph.add_edge(u, v, **data, reversed=False, geometry=edges.geometries[row])
        graph.add_edge(v, u, **data, reversed=True, geometry=shapely.reverse(edges.geometries[row]))
    return graph


def write_graphml(path: Path, layers: Sequence[Layer]) -> None:
    """Write the edges and nodes of a road graph as GraphML, every value as text, as osmnx does.

    Args:
        path: The file, which is replaced.
        layers: The layers `edges` and `nodes`, in any order.

    Raises:
        UsageError: The layers are others.
    """
    by_name = {layer.name: layer for layer in layers}
    if not {"edges", "nodes"} <= by_name.keys():
        raise UsageError(
            f"{path.name}: GraphML holds road graphs, and the layers are {', '.join(by_name)}. Write them as .gpkg."
        )
    graph = osmnx_graph(by_name["edges"], by_name["nodes"])
    for data in [
        graph.graph,
        *(data for _, data in graph.nodes(data=True)),
        *(data for *_, data in graph.edges(data=True)),
    ]:
        for name, value in data.items():
            if isinstance(value, shapely.Geometry):
                data[name] = str(shapely.to_wkt(value, rounding_precision=-1))
            else:
                # An exact text of a number, and "nan" as Python reads it.
                data[name] = repr(float(value)) if isinstance(value, float | np.floating) else str(value)
    nx.write_graphml_xml(graph, path, encoding="utf-8")

"""Road graphs as GraphML in the conventions of osmnx, which routes on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from overland.errors import DataError, UsageError, import_extra

__all__ = [
    "Layer",
    "osmnx_graph",
    "read_geoparquet",
    "require_pyarrow",
    "write_geoparquet",
    "write_graphml",
]


# Layer: geometries with their fields, as a vector file holds them.


@dataclass(frozen=True)
class Layer:
    """Features of one kind: an array of shapely geometries and one array of the same length for each field.

    `geometry_type` is what GDAL calls it: "Point", "LineString", "Polygon"; "Unknown" for a mixture. `crs` is an
    authority code or WKT; None when the coordinates are pixels (x = column, y = row).
    """

    name: str
    geometry_type: str
    geometries: npt.NDArray[Any]
    fields: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    crs: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometries", np.asarray(self.geometries, dtype=object))
        wrong = {name: len(values) for name, values in self.fields.items() if len(values) != len(self.geometries)}
        if wrong:
            raise DataError(
                f"Layer {self.name} has {len(self.geometries)} geometries, but its fields have {wrong} values."
            )

    def __len__(self) -> int:
        return len(self.geometries)


# GeoParquet 1.1: WKB geometries in a Parquet table, with the CRS as PROJJSON in its metadata.

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


def osmnx_graph(edges: Layer, nodes: Layer) -> nx.MultiDiGraph:
    """The road graph of the layers that `layers_from_graph` makes, as osmnx has it: each road once in each direction.

    The graph carries `crs`, nodes `x y street_count`, edges `osmid` (the row of the edge in its layer), `length` in
    metres, `oneway`, `reversed`, `geometry` in the direction of the edge, and all fields of the layer.
    Source: https://osmnx.readthedocs.io, `graph_from_gdfs` and `load_graphml`.
    """
    graph = nx.MultiDiGraph(
        simplified=True, created_with="Overland", **({} if edges.crs is None else {"crs": edges.crs})
    )
    degree = nodes.fields["degree"]
    for row, node in enumerate(nodes.fields["node"].tolist()):
        point = nodes.geometries[row]
        graph.add_node(node, x=point.x, y=point.y, street_count=int(degree[row]))
    others = {name: values.tolist() for name, values in edges.fields.items() if name not in {"u", "v", "length_m"}}
    for row, (u, v) in enumerate(zip(edges.fields["u"].tolist(), edges.fields["v"].tolist(), strict=True)):
        data = {"osmid": row, "length": float(edges.fields["length_m"][row]), "oneway": False}
        data |= {name: values[row] for name, values in others.items()}
        graph.add_edge(u, v, **data, reversed=False, geometry=edges.geometries[row])
        graph.add_edge(v, u, **data, reversed=True, geometry=shapely.reverse(edges.geometries[row]))
    return graph


def write_graphml(path: Path, layers: Sequence[Layer]) -> None:
    """Write the edges and nodes of a road graph as GraphML, every value as text, as osmnx does.

    Raises `UsageError` for other layers.
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
        data.update({name: _text(value) for name, value in data.items()})
    nx.write_graphml_xml(graph, path, encoding="utf-8")


def _text(value: Any) -> str:
    if isinstance(value, shapely.Geometry):
        return str(shapely.to_wkt(value, rounding_precision=-1))
    # An exact text of a number, and "nan" as Python reads it.
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)

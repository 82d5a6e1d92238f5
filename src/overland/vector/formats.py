"""Road graphs as GraphML in the conventions of osmnx, which routes on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import shapely

from overland.errors import UsageError
from overland.vector.layer import Layer

__all__ = ["osmnx_graph", "write_graphml"]


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

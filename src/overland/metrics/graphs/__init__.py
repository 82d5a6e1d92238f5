"""Scores of road graphs: APLS and TOPO, each in its two published variants, which do not give the same figures."""

from __future__ import annotations

from overland.metrics.graphs.apls import Apls, apls_cosmiq, apls_sat2graph
from overland.metrics.graphs.network import graph_from_lines
from overland.metrics.graphs.topo import TopoCosmiq, TopoSat2graph, topo_cosmiq, topo_sat2graph

__all__ = [
    "Apls",
    "TopoCosmiq",
    "TopoSat2graph",
    "apls_cosmiq",
    "apls_sat2graph",
    "graph_from_lines",
    "topo_cosmiq",
    "topo_sat2graph",
]

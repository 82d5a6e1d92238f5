"""Masks to polygons and road graphs; vector files read and written: the only door to them."""

from __future__ import annotations

from overland.vector.formats import osmnx_graph
from overland.vector.layer import Layer
from overland.vector.place import geometries_on_grid
from overland.vector.polygons import polygons_from_mask, regularized, simplified_coverage
from overland.vector.read import read_layer, read_lines
from overland.vector.roads import (
    RoadPixels,
    RoadSettings,
    graph_to_map,
    layers_from_graph,
    road_graph_from_mask,
    road_graph_from_pixels,
)
from overland.vector.write import GRAPH_SUFFIXES, VECTOR_SUFFIXES, check_vector_output, write_features

__all__ = [
    "GRAPH_SUFFIXES",
    "VECTOR_SUFFIXES",
    "Layer",
    "RoadPixels",
    "RoadSettings",
    "check_vector_output",
    "geometries_on_grid",
    "graph_to_map",
    "layers_from_graph",
    "osmnx_graph",
    "polygons_from_mask",
    "read_layer",
    "read_lines",
    "regularized",
    "road_graph_from_mask",
    "road_graph_from_pixels",
    "simplified_coverage",
    "write_features",
]

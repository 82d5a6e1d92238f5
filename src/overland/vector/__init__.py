"""Masks to polygons and road graphs; vector files read and written: the only door to them."""

from __future__ import annotations

from overland.vector.graph import (
    RoadPixels,
    graph_to_map,
    layers_from_graph,
    plan_bands,
    road_graph_from_mask,
    road_graph_from_pixels,
)
from overland.vector.graphml import osmnx_graph
from overland.vector.ground import areas_m2, lengths_m, pixel_size_m, pixels_to_map
from overland.vector.layer import Layer
from overland.vector.polygons import polygons_from_mask, simplified_coverage
from overland.vector.read import read_layer, read_lines
from overland.vector.regularize import regularized
from overland.vector.write import GRAPH_SUFFIXES, VECTOR_SUFFIXES, check_vector_output, write_features

__all__ = [
    "GRAPH_SUFFIXES",
    "VECTOR_SUFFIXES",
    "Layer",
    "RoadPixels",
    "areas_m2",
    "check_vector_output",
    "graph_to_map",
    "layers_from_graph",
    "lengths_m",
    "osmnx_graph",
    "pixel_size_m",
    "pixels_to_map",
    "plan_bands",
    "polygons_from_mask",
    "read_layer",
    "read_lines",
    "regularized",
    "road_graph_from_mask",
    "road_graph_from_pixels",
    "simplified_coverage",
    "write_features",
]

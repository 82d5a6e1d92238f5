"""Masks to polygons and road graphs; vector files read and written: the only door to them."""

from __future__ import annotations

from overland.geo.measures import areas_m2, lengths_m, pixel_size_m, pixels_to_map
from overland.vector.formats import Layer, osmnx_graph
from overland.vector.layers import (
    GRAPH_SUFFIXES,
    VECTOR_SUFFIXES,
    check_vector_output,
    read_layer,
    read_lines,
    write_features,
)
from overland.vector.polygons import polygons_from_mask, regularized, simplified_coverage
from overland.vector.roads import (
    RoadPixels,
    graph_to_map,
    layers_from_graph,
    plan_row_blocks,
    road_graph_from_mask,
    road_graph_from_pixels,
)

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
    "plan_row_blocks",
    "polygons_from_mask",
    "read_layer",
    "read_lines",
    "regularized",
    "road_graph_from_mask",
    "road_graph_from_pixels",
    "simplified_coverage",
    "write_features",
]

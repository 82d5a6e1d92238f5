"""Road graphs: a mask's centre lines as nodes and edges."""

from __future__ import annotations

from overland.vector.roads.build import (
    graph_to_map,
    layers_from_graph,
    road_graph_from_mask,
    road_graph_from_pixels,
)
from overland.vector.roads.skeleton import RoadPixels, plan_row_blocks

__all__ = [
    "RoadPixels",
    "graph_to_map",
    "layers_from_graph",
    "plan_row_blocks",
    "road_graph_from_mask",
    "road_graph_from_pixels",
]

"""Road graphs: a mask's centre lines as nodes and edges."""

from __future__ import annotations

from overland.vector.graph.build import graph_to_map, layers_from_graph, road_graph_from_mask

__all__ = ["graph_to_map", "layers_from_graph", "road_graph_from_mask"]

"""Road graphs: the centre lines of a mask as nodes and edges.

The steps are in order `skeleton` (clean, thin, widths), `trace` (pixels to nodes and paths), `prune` (spurs, split
junctions, short pieces), `gaps` and `least_cost` (roads joined over gaps), `finish` (smoothed lines, probabilities);
`build` calls them.
"""

from __future__ import annotations

from overland.vector.roads.build import (
    RoadSettings,
    graph_to_map,
    layers_from_graph,
    road_graph_from_mask,
    road_graph_from_pixels,
)
from overland.vector.roads.skeleton import RoadPixels

__all__ = [
    "RoadPixels",
    "RoadSettings",
    "graph_to_map",
    "layers_from_graph",
    "road_graph_from_mask",
    "road_graph_from_pixels",
]

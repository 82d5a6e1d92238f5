"""A road mask to a road graph, step by step, and the graph to map coordinates and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
import shapely

from overland.geo.grid import Grid, iter_row_windows
from overland.geo.measures import lengths_m, pixels_to_map
from overland.vector.layer import Bools, Column, Geometries, Layer
from overland.vector.roads.finish import add_probabilities, finished_graph
from overland.vector.roads.gaps import extend_ends, join_ends, join_ends_to_edges
from overland.vector.roads.least_cost import join_ends_by_cost
from overland.vector.roads.prune import contract_junctions, drop_short_components, prune_spurs
from overland.vector.roads.skeleton import (
    Probabilities,
    RoadPixels,
    centerlines_from_mask,
    clean_road_mask,
    road_pixels_from_arrays,
)
from overland.vector.roads.trace import trace_centerlines

__all__ = [
    "RoadSettings",
    "graph_to_map",
    "layers_from_graph",
    "road_graph_from_mask",
    "road_graph_from_pixels",
]


@dataclass(frozen=True)
class RoadSettings:
    """Settings of a road graph; these defaults are the only ones, for the command line, the web and the array level."""

    min_pixels: int = 64
    """Objects and holes of the mask with fewer pixels are dropped."""
    min_spur_m: float = 10.0
    """Dead ends go that are shorter than this, in metres, or than the road they leave is wide."""
    min_length_m: float = 20.0
    """Connected pieces go whose roads are shorter in all, in metres."""
    max_gap_m: float = 30.0
    """Largest gap that is filled, in metres: between ends that face each other, and from an end to the side of the road
    that it points at. 0 fills none."""
    simplify_m: float | None = None
    """Lines keep within so many metres of the smoothed centre line; None is one pixel."""
    low_threshold: float | None = None
    """With probabilities the mask is the upper threshold of a hysteresis, and roads are extended where the probability
    is at least this, 0 to 1; None is 0.6 of the threshold that the mask was made with."""
    min_gap_probability: float = 0.2
    """With probabilities gaps are first crossed by least-cost paths, 1 - p, where the mean probability along them is at
    least this, 0 to 1."""


def road_graph_from_mask(
    mask: Bools,
    *,
    probabilities: Probabilities | None = None,
    pixel_size_m: tuple[float, float] = (1.0, 1.0),
    settings: RoadSettings | None = None,
    block_rows: int | None = None,
) -> nx.MultiGraph[int]:
    """Find the road graph of a mask that is in memory.

    Args:
        mask: Which pixels are road (height, width), booleans.
        probabilities: Probabilities of road (height, width), 0 to 1, NaN where there is no data. With them roads are
            extended where the mask breaks off, and edges carry `mean_p` and `min_p`.
        pixel_size_m: As in `road_graph_from_pixels`.
        settings: As in `road_graph_from_pixels`.
        block_rows: As in `road_graph_from_pixels`.

    Returns:
        The graph that `road_graph_from_pixels` describes.
    """
    pixels = road_pixels_from_arrays(mask, probabilities)
    return road_graph_from_pixels(pixels, pixel_size_m=pixel_size_m, settings=settings, block_rows=block_rows)


def road_graph_from_pixels(
    pixels: RoadPixels,
    *,
    pixel_size_m: tuple[float, float] = (1.0, 1.0),
    settings: RoadSettings | None = None,
    block_rows: int | None = None,
) -> nx.MultiGraph[int]:
    """Find the road graph of a scene of any size, in pixel coordinates (x = column, y = row).

    The memory is a bit or two a pixel, some 20 bytes a pixel of a row block, and the graph.

    Args:
        pixels: The scene, read window by window.
        pixel_size_m: Width and height of a pixel on the ground in metres; with (1, 1) every metre is a pixel.
        settings: Lengths and thresholds, by default `RoadSettings()`.
        block_rows: The scene is gone through in row blocks of so many rows, which change nothing but the memory; by
            default of some 8 million pixels.

    Returns:
        A graph whose nodes are numbered from the top row down and carry `x`, `y` in pixels and `border` (the scene ends
        there). Edges carry `geometry` (a LineString from the lower to the higher node), `length_m`, `width_m` (twice
        the median half width; NaN where unknown), `gap_filled` (fraction of the length over gaps, 0 to 1), and with
        probabilities `mean_p` and `min_p` along the line.

    Source: the steps of SpaceNet-3 albu and CRESI, with gaps to the side of roads added.
    """
    settings = settings or RoadSettings()
    blocks = list(iter_row_windows(pixels.height, pixels.width, block_rows))
    mask = clean_road_mask(pixels, blocks, min_pixels=settings.min_pixels, low=settings.low_threshold)
    lines = centerlines_from_mask(mask, blocks, pixel_size_m=pixel_size_m)
    graph = trace_centerlines(lines, pixel_size_m=pixel_size_m)
    # Spurs go first: on a ragged mask they stand so close that a whole road would be contracted into one junction.
    prune_spurs(graph, min_spur_m=settings.min_spur_m)
    contract_junctions(graph)
    prune_spurs(graph, min_spur_m=settings.min_spur_m)
    extend_ends(graph, lines.mask, pixel_size_m=pixel_size_m)
    if pixels.read_probabilities is not None:
        join_ends_by_cost(
            graph,
            pixels.read_probabilities,
            mask.shape,
            max_gap_m=settings.max_gap_m,
            min_probability=settings.min_gap_probability,
            pixel_size_m=pixel_size_m,
        )
    # From the strongest evidence to the weakest: roads in line, a road that points at another, a bend in a small gap.
    # SpaceNet-3 albu takes 80 px in line within 30°, 24 px to the side, and 24 px for any pair.
    max_gap_m, near = settings.max_gap_m, 0.3 * settings.max_gap_m
    join_ends(graph, max_gap_m=max_gap_m, max_aside_m=near, max_turn_deg=30, pixel_size_m=pixel_size_m)
    join_ends_to_edges(graph, max_gap_m=max_gap_m, pixel_size_m=pixel_size_m)
    join_ends(graph, max_gap_m=near, max_aside_m=near, max_turn_deg=60, pixel_size_m=pixel_size_m)
    # A road extended to the side of another leaves a stub where that one ends just behind.
    prune_spurs(graph, min_spur_m=settings.min_spur_m)
    drop_short_components(graph, min_length_m=settings.min_length_m)
    pixel_m = float(np.sqrt(np.prod(pixel_size_m)))
    simplify_m = pixel_m if settings.simplify_m is None else settings.simplify_m
    finished = finished_graph(graph, pixel_size_m=pixel_size_m, simplify_m=simplify_m)
    if pixels.read_probabilities is not None:
        add_probabilities(finished, pixels.read_probabilities, mask.shape, blocks)
    return finished


def graph_to_map(graph: nx.MultiGraph[int], grid: Grid) -> nx.MultiGraph[int]:
    """Move a road graph from pixels to the CRS of a grid.

    Args:
        graph: A graph of `road_graph_from_pixels`.
        grid: The grid of its scene.

    Returns:
        A new graph with the attribute `crs`, nodes and geometries in the units of the CRS (pixels without one), and
        `length_m` measured there by `lengths_m`.
    """
    crs = grid.map_crs
    moved: nx.MultiGraph[int] = nx.MultiGraph(crs=crs)
    nodes: list[tuple[int, dict[str, Any]]] = list(graph.nodes.items())
    points = pixels_to_map(_array_of([shapely.Point(data["x"], data["y"]) for _, data in nodes]), grid)
    for (node, data), point in zip(nodes, points, strict=True):
        moved.add_node(node, **{**data, "x": point.x, "y": point.y})
    edges = list(graph.edges(keys=True, data=True))
    lines = pixels_to_map(_array_of([data["geometry"] for *_, data in edges]), grid)
    for (u, v, key, data), line, length in zip(edges, lines, lengths_m(lines, crs), strict=True):
        moved.add_edge(u, v, key, **{**data, "geometry": line, "length_m": float(length)})
    return moved


def layers_from_graph(graph: nx.MultiGraph[int], *, name: str = "road") -> list[Layer]:
    """Turn a road graph into layers of a vector file.

    Args:
        graph: A graph of `road_graph_from_pixels` or `graph_to_map`.
        name: The class of its roads, which each edge carries.

    Returns:
        The layers `edges` (u, v, name, length_m, width_m, gap_filled, and mean_p, min_p of a graph that was made with
        probabilities) and `nodes` (node, degree, border).
    """
    crs = graph.graph.get("crs")
    edges: list[tuple[int, int, dict[str, Any]]] = list(graph.edges(data=True))
    nodes: list[tuple[int, dict[str, Any]]] = list(graph.nodes.items())
    has_probabilities = any("mean_p" in data for *_, data in edges)
    measures = ["length_m", "width_m", "gap_filled", *(["mean_p", "min_p"] if has_probabilities else [])]
    fields: dict[str, Column] = {
        "u": np.array([u for u, _, _ in edges], dtype=np.int64),
        "v": np.array([v for _, v, _ in edges], dtype=np.int64),
        "name": np.array([name] * len(edges), dtype=object),
        **{key: np.array([data[key] for *_, data in edges], dtype=float) for key in measures},
    }
    points = _array_of([shapely.Point(data["x"], data["y"]) for _, data in nodes])
    node_fields: dict[str, Column] = {
        "node": np.array([node for node, _ in nodes], dtype=np.int64),
        "degree": np.array([graph.degree(node) for node, _ in nodes], dtype=np.int32),
        "border": np.array([data["border"] for _, data in nodes], dtype=np.bool_),
    }
    lines = _array_of([data["geometry"] for *_, data in edges])
    return [Layer("edges", "LineString", lines, fields, crs), Layer("nodes", "Point", points, node_fields, crs)]


def _array_of(geometries: Sequence[shapely.Geometry]) -> Geometries:
    return np.array(geometries, dtype=np.object_)

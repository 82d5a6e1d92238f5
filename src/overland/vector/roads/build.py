"""A road mask to a road graph, step by step, and the graph to map coordinates and layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import shapely

from overland.geo.measures import lengths_m, pixels_to_map
from overland.raster import Grid, Window
from overland.vector.formats import Layer
from overland.vector.roads.gaps import extend_ends, join_ends, join_ends_to_edges
from overland.vector.roads.least_cost import join_ends_by_cost
from overland.vector.roads.prune import contract_junctions, drop_short_components, prune_spurs
from overland.vector.roads.skeleton import (
    ReadProbabilities,
    RoadPixels,
    centerlines_from_mask,
    clean_road_mask,
    plan_row_blocks,
    road_pixels_from_arrays,
)
from overland.vector.roads.smooth import line_from_path
from overland.vector.roads.trace import gap_filled_length, path_length, trace_centerlines

__all__ = [
    "add_probabilities",
    "graph_to_map",
    "layers_from_graph",
    "road_graph_from_mask",
    "road_graph_from_pixels",
]


# How probable the roads of a finished graph are: scores read along its lines.


def add_probabilities(
    graph: nx.MultiGraph, read_scores: ReadProbabilities, shape: tuple[int, int], bands: Sequence[Window]
) -> None:
    """Give each edge `mean_p` and `min_p`, mean and least score of the pixels under its line, NaN without any."""
    edges = list(graph.edges(keys=True))
    lines = np.array([graph.edges[edge]["geometry"] for edge in edges], dtype=object)
    xy, number = _points_each_pixel(lines)
    scores = _scores_at(read_scores, shape, bands, xy)
    known = np.isfinite(scores)
    counts = np.bincount(number[known], minlength=len(edges))
    sums = np.bincount(number[known], weights=scores[known], minlength=len(edges))
    least = np.full(len(edges), np.inf)
    np.minimum.at(least, number[known], scores[known])
    for index, edge in enumerate(edges):
        data, is_known = graph.edges[edge], counts[index] > 0
        data["mean_p"] = float(sums[index] / counts[index]) if is_known else np.nan
        data["min_p"] = float(least[index]) if is_known else np.nan


def _points_each_pixel(lines: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Points (n, 2) at steps of at most a pixel along each line, ends included, and the numbers of their lines."""
    lengths = shapely.length(lines)
    counts = np.ceil(lengths).astype(np.int64) + 1
    number = np.repeat(np.arange(len(lines)), counts)
    steps = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    distances = steps * (lengths / np.maximum(counts - 1, 1))[number]
    return shapely.get_coordinates(shapely.line_interpolate_point(lines[number], distances)), number


def _scores_at(
    read_scores: ReadProbabilities, shape: tuple[int, int], bands: Sequence[Window], xy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    cols = np.floor(xy[:, 0]).astype(np.int64).clip(0, shape[1] - 1)
    rows = np.floor(xy[:, 1]).astype(np.int64).clip(0, shape[0] - 1)
    scores = np.full(len(xy), np.nan)
    for band in bands:
        here = np.flatnonzero((rows >= band.row_off) & (rows < band.row_end))
        if len(here):
            scores[here] = read_scores(band)[rows[here] - band.row_off, cols[here]]
    return scores


def road_graph_from_mask(
    mask: npt.NDArray[np.bool_], *, scores: npt.NDArray[Any] | None = None, **options: Any
) -> nx.MultiGraph:
    """Find the road graph of a mask (height, width) that is in memory, with `scores` of the same shape or without.

    The options, and what comes back, are those of `road_graph_from_pixels`.
    """
    return road_graph_from_pixels(road_pixels_from_arrays(mask, scores), **options)


def road_graph_from_pixels(
    pixels: RoadPixels,
    *,
    pixel_size_m: tuple[float, float] = (1.0, 1.0),
    min_pixels: int = 64,
    min_spur_m: float = 10.0,
    max_gap_m: float = 30.0,
    min_length_m: float = 20.0,
    simplify_m: float | None = None,
    low_threshold: float | None = None,
    min_bridge_score: float = 0.2,
    band_rows: int | None = None,
) -> nx.MultiGraph:
    """Find the road graph of a scene of any size, in pixel coordinates (x = column, y = row).

    `pixel_size_m` is the width and the height of a pixel on the ground; with (1, 1) every metre below is a pixel.
    Dropped are objects and holes under `min_pixels`, dead ends shorter than `min_spur_m` or than the road they leave is
    wide, and connected pieces shorter than `min_length_m`. Gaps up to `max_gap_m` are bridged between ends that face
    each other, and from an end to the side of the road that it points at. Lines keep within `simplify_m` (default one
    pixel) of the smoothed centre line.

    With scores the mask is the upper threshold of a hysteresis, and roads are followed on where the score is
    `low_threshold` at least, by default 0.6 of the threshold that the mask was made with. Then gaps are first crossed
    by the way of least cost, 1 - p, where the mean score along it is `min_bridge_score` at least.

    Nodes are numbered from the top row down and carry `x y border`, edges `geometry` (LineString from the lower to the
    higher node), `length_m`, `width_m` (twice the median half width; NaN where unknown), `bridged` (share of the
    length over gaps, 0 to 1) and with scores `mean_p` and `min_p`. The scene is gone through in bands of `band_rows`,
    which change nothing but the memory: a bit or two a pixel, some 20 bytes a pixel of a band, and the graph.
    Source: the steps of SpaceNet-3 albu and CRESI, with bridges to the side of roads added.
    """
    pixel_m = float(np.sqrt(np.prod(pixel_size_m)))
    bands = plan_row_blocks(pixels.height, pixels.width, band_rows)
    mask = clean_road_mask(pixels, bands, min_pixels=min_pixels, low=low_threshold)
    lines = centerlines_from_mask(mask, bands, pixel_size_m=pixel_size_m)
    graph = trace_centerlines(lines, pixel_size_m=pixel_size_m)
    # Spurs go first: on a ragged mask they stand so close that a whole road would be contracted into one junction.
    prune_spurs(graph, min_spur_m=min_spur_m)
    contract_junctions(graph)
    prune_spurs(graph, min_spur_m=min_spur_m)
    extend_ends(graph, lines.mask, pixel_size_m=pixel_size_m)
    if pixels.read_scores is not None:
        join_ends_by_cost(
            graph,
            pixels.read_scores,
            mask.shape,
            max_gap_m=max_gap_m,
            min_score=min_bridge_score,
            pixel_size_m=pixel_size_m,
        )
    _close_gaps(graph, max_gap_m, pixel_size_m)
    # A bridge to the side of a road leaves a stub where that road ends just behind it.
    prune_spurs(graph, min_spur_m=min_spur_m)
    drop_short_components(graph, min_length_m=min_length_m)
    finished = _finished(graph, pixel_size_m, pixel_m if simplify_m is None else simplify_m)
    if pixels.read_scores is not None:
        add_probabilities(finished, pixels.read_scores, mask.shape, bands)
    return finished


def graph_to_map(graph: nx.MultiGraph, grid: Grid) -> nx.MultiGraph:
    """The same graph in the CRS of the grid, its lengths measured there (see `ground.lengths_m`)."""
    crs = grid.crs if grid.is_georeferenced else None
    moved = nx.MultiGraph(crs=crs)
    nodes = list(graph.nodes(data=True))
    points = pixels_to_map(np.array([shapely.Point(data["x"], data["y"]) for _, data in nodes], dtype=object), grid)
    for (node, data), point in zip(nodes, points, strict=True):
        moved.add_node(node, **{**data, "x": point.x, "y": point.y})
    edges = list(graph.edges(keys=True, data=True))
    lines = pixels_to_map(np.array([data["geometry"] for *_, data in edges], dtype=object), grid)
    for (u, v, key, data), line, length in zip(edges, lines, lengths_m(lines, crs), strict=True):
        moved.add_edge(u, v, key, **{**data, "geometry": line, "length_m": float(length)})
    return moved


def layers_from_graph(graph: nx.MultiGraph, *, name: str = "road") -> list[Layer]:
    """The layers of a road graph: `edges` (u v name length_m width_m bridged), `nodes` (node degree border).

    A graph that was made with scores has `mean_p` and `min_p` on its edges, too.
    """
    crs = graph.graph.get("crs")
    edges, nodes = list(graph.edges(data=True)), list(graph.nodes(data=True))
    measures = [
        "length_m",
        "width_m",
        "bridged",
        *(["mean_p", "min_p"] if any("mean_p" in e for *_, e in edges) else []),
    ]
    fields: dict[str, npt.NDArray[Any]] = {
        "u": np.array([u for u, _, _ in edges], dtype=np.int64),
        "v": np.array([v for _, v, _ in edges], dtype=np.int64),
        "name": np.array([name] * len(edges), dtype=object),
        **{key: np.array([data[key] for *_, data in edges], dtype=float) for key in measures},
    }
    points = np.array([shapely.Point(data["x"], data["y"]) for _, data in nodes], dtype=object)
    node_fields: dict[str, npt.NDArray[Any]] = {
        "node": np.array([node for node, _ in nodes], dtype=np.int64),
        "degree": np.array([graph.degree(node) for node, _ in nodes], dtype=np.int32),
        "border": np.array([data["border"] for _, data in nodes], dtype=bool),
    }
    lines = np.array([data["geometry"] for *_, data in edges], dtype=object)
    return [Layer("edges", "LineString", lines, fields, crs), Layer("nodes", "Point", points, node_fields, crs)]


def _close_gaps(graph: nx.MultiGraph, max_gap_m: float, pixel_size_m: tuple[float, float]) -> None:
    # From the strongest evidence to the weakest: roads in line, a road that points at another, a bend in a small gap.
    # SpaceNet-3 albu takes 80 px in line within 30°, 24 px to the side, and 24 px for any pair.
    near = 0.3 * max_gap_m
    join_ends(graph, max_gap_m=max_gap_m, max_aside_m=near, max_turn_deg=30, pixel_size_m=pixel_size_m)
    join_ends_to_edges(graph, max_gap_m=max_gap_m, pixel_size_m=pixel_size_m)
    join_ends(graph, max_gap_m=near, max_aside_m=near, max_turn_deg=60, pixel_size_m=pixel_size_m)


def _finished(working: nx.MultiGraph, pixel_size_m: tuple[float, float], simplify_m: float) -> nx.MultiGraph:
    """The public form of the working graph: numbered in reading order, lines smoothed, in pixels."""
    order = sorted(working.nodes, key=lambda node: tuple(working.nodes[node]["xy"][::-1]))
    number = {node: index for index, node in enumerate(order)}
    graph = nx.MultiGraph()
    for node in order:
        x, y = working.nodes[node]["xy"] / pixel_size_m
        graph.add_node(number[node], x=float(x), y=float(y), border=working.nodes[node]["border"])
    edges = [_finished_edge(working, number, edge, pixel_size_m, simplify_m) for edge in working.edges(keys=True)]
    for u, v, data in sorted(edges, key=lambda edge: (*edge[:2], edge[2]["length_m"])):
        graph.add_edge(u, v, **data)
        # The node of a free ring moves with the smoothed line; every other line keeps its ends.
        graph.nodes[u]["x"], graph.nodes[u]["y"] = data["geometry"].coords[0]
    return graph


def _finished_edge(
    working: nx.MultiGraph,
    number: dict[int, int],
    edge: tuple[int, int, int],
    pixel_size_m: tuple[float, float],
    simplify_m: float,
) -> tuple[int, int, dict[str, Any]]:
    path, start = working.edges[edge]["path"], number[working.edges[edge]["start"]]
    u, v = sorted(number[node] for node in edge[:2])
    path = path if start == u else path[::-1]
    is_ring = u == v and working.degree(edge[0]) == 2
    line = line_from_path(path, pixel_m=min(pixel_size_m), simplify_m=simplify_m, is_ring=is_ring)
    known = path[np.isfinite(path[:, 2]), 2]
    return (
        u,
        v,
        {
            "geometry": shapely.transform(line, lambda xy: xy / pixel_size_m),
            "length_m": float(line.length),
            "width_m": 2 * float(np.median(known)) if len(known) else np.nan,
            "bridged": gap_filled_length(path) / max(path_length(path), 1e-9),
        },
    )

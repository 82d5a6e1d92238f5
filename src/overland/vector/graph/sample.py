"""How probable the roads of a finished graph are: scores read along its lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import shapely

from overland.raster import Window
from overland.vector.graph.pixels import ReadScores

__all__ = ["add_scores"]


def add_scores(graph: nx.MultiGraph, read_scores: ReadScores, shape: tuple[int, int], bands: Sequence[Window]) -> None:
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
    read_scores: ReadScores, shape: tuple[int, int], bands: Sequence[Window], xy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    cols = np.floor(xy[:, 0]).astype(np.int64).clip(0, shape[1] - 1)
    rows = np.floor(xy[:, 1]).astype(np.int64).clip(0, shape[0] - 1)
    scores = np.full(len(xy), np.nan)
    for band in bands:
        here = np.flatnonzero((rows >= band.row_off) & (rows < band.row_end))
        if len(here):
            scores[here] = read_scores(band)[rows[here] - band.row_off, cols[here]]
    return scores

"""Road graphs drawn from coordinates in metres."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import shapely

from overland.metrics.graphs import graph_from_lines

Line = Sequence[tuple[float, float]]


def roads(*lines: Line) -> nx.MultiGraph:
    """The graph of lines, connected where they share a vertex."""
    return graph_from_lines([shapely.LineString(line) for line in lines])


def stepped(start: float, end: float, y: float = 0) -> Line:
    """A straight road with a vertex every two metres."""
    steps = round((end - start) / 2)
    return [(start + 2 * step, y) for step in range(steps + 1)]


def grid(size: int, spacing: float = 40) -> nx.MultiGraph:
    """Streets in both directions that meet at their vertices."""
    ticks = [index * spacing for index in range(size)]
    return roads(*([(x, y) for y in ticks] for x in ticks), *([(x, y) for x in ticks] for y in ticks))

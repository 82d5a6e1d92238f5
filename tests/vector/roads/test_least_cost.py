from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from overland.vector.roads.least_cost import join_ends_by_cost
from overland.vector.roads.trace import add_path, gap_filled_length

MAIN = [(0.5, 20.5), (30.5, 20.5)]


def joined(lines, probabilities, *, max_gap_m=25.0):
    graph = nx.MultiGraph()
    for number, line in enumerate(lines):
        steps = int(max(abs(line[1][0] - line[0][0]), abs(line[1][1] - line[0][1]))) + 1
        points = np.column_stack([np.linspace(*line, steps), np.full(steps, 2.0)])
        for node, point in zip((2 * number, 2 * number + 1), (points[0], points[-1]), strict=True):
            graph.add_node(node, xy=point[:2], border=False)
        add_path(graph, 2 * number, 2 * number + 1, points)
    join_ends_by_cost(
        graph,
        lambda window: probabilities[window.slices],
        probabilities.shape,
        max_gap_m=max_gap_m,
        min_probability=0.2,
        pixel_size_m=(1, 1),
    )
    return graph


def field(*ways, probability=0.3):
    probabilities = np.zeros((60, 100), dtype=np.float32)
    for way in ways:
        probabilities[way] = probability
    return probabilities


def test_a_bent_way_of_weak_scores_is_followed():
    steps = np.arange(30, 51)
    rows = 20 + np.round(6 * np.sin((steps - 30) / 20 * np.pi)).astype(int)
    probabilities = field((rows, steps), (rows + 1, steps))
    graph = joined([MAIN, [(50.5, 20.5), (90.5, 20.5)]], probabilities)
    [(_, _, data)] = graph.edges(data=True)
    assert gap_filled_length(data["path"]) > 21
    assert data["path"][:, 1].max() == pytest.approx(26.5, abs=1)


def test_the_side_of_a_road_is_reached_where_the_scores_lead():
    probabilities = field((slice(19, 22), slice(30, 50)))
    graph = joined([MAIN, [(50.5, 0.5), (50.5, 55.5)]], probabilities)
    [junction] = [data["xy"] for node, data in graph.nodes(data=True) if graph.degree(node) == 3]
    assert junction == pytest.approx((50.5, 20.5), abs=1.5)


@pytest.mark.parametrize(
    ("probabilities", "max_gap_m"),
    [
        (field(), 25),  # nothing seen between
        (field((slice(19, 22), slice(30, 50)), probability=0.1), 25),  # too little
        (field((slice(19, 22), slice(30, 50))), 10),  # too far
        (field((slice(19, 22), slice(30, 50))), 0),  # switched off
        (np.full((60, 100), np.nan), 25),  # no data
    ],
)
def test_without_evidence_within_reach_nothing_is_joined(probabilities, max_gap_m):
    graph = joined([MAIN, [(50.5, 20.5), (90.5, 20.5)]], probabilities, max_gap_m=max_gap_m)
    assert graph.number_of_edges() == 2


def test_a_road_beside_is_not_ahead():
    graph = joined([MAIN, [(0.5, 28.5), (31.5, 28.5)]], np.ones((60, 100)), max_gap_m=10)
    assert graph.number_of_edges() == 2

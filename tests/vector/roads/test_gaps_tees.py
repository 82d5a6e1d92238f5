from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from overland.vector.roads.gaps import join_ends_to_edges
from overland.vector.roads.trace import add_path


def roads(*lines):
    graph = nx.MultiGraph()
    for number, line in enumerate(lines):
        points = np.column_stack([np.array(line, dtype=float), np.full(len(line), 2.0)])
        graph.add_node(2 * number, xy=points[0, :2], border=False)
        graph.add_node(2 * number + 1, xy=points[-1, :2], border=False)
        add_path(graph, 2 * number, 2 * number + 1, points)
    join_ends_to_edges(graph, max_gap_m=10, pixel_size_m=(1, 1))
    return graph


MAIN = [(0, 0), (100, 0)]


def test_the_side_of_a_road_is_met_and_split():
    graph = roads(MAIN, [(40, 60), (40, 10)])
    [junction] = [data["xy"] for node, data in graph.nodes(data=True) if graph.degree(node) == 3]
    assert junction == pytest.approx((40, 0))


def test_two_side_roads_split_it_twice():
    graph = roads(MAIN, [(40, 60), (40, 10)], [(70, -60), (70, -8)])
    assert sorted(degree for _, degree in graph.degree) == [1, 1, 1, 1, 3, 3]


def test_an_end_close_by_is_used_instead():
    graph = roads(MAIN, [(1, 60), (1, 10)])
    assert sorted(degree for _, degree in graph.degree) == [1, 1]


def test_two_side_roads_that_meet_it_at_one_place_share_a_junction():
    graph = roads(MAIN, [(40, 60), (40, 8)], [(41, -60), (41, -8)])
    assert sorted(degree for _, degree in graph.degree) == [1, 1, 1, 1, 4]


@pytest.mark.parametrize("line", [[(40, 60), (40, 20)], [(40, 5), (90, 5)]])
def test_too_far_or_pointing_elsewhere_is_left(line):
    assert roads(MAIN, line).number_of_edges() == 2

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from overland.vector.roads.prune import contract_junctions, drop_short_components, prune_spurs
from overland.vector.roads.trace import add_path, path_length


def graph_of(points, edges, half_width=2.0, border=()):
    """A working graph of straight paths with a point each metre."""
    graph = nx.MultiGraph()
    for node, xy in points.items():
        if not any(node in edge for edge in edges):
            continue
        graph.add_node(node, xy=np.array(xy, dtype=float), border=node in border)
    for start, end in edges:
        steps = max(2, int(np.hypot(*(graph.nodes[end]["xy"] - graph.nodes[start]["xy"]))) + 1)
        line = np.linspace(graph.nodes[start]["xy"], graph.nodes[end]["xy"], steps)
        add_path(graph, start, end, np.column_stack([line, np.full(steps, half_width)]))
    return graph


CROSS = {0: (0, 0), 1: (50, 0), 2: (100, 0), 3: (50, 30), 4: (50, -6)}


def test_a_spur_goes_and_its_junction_dissolves():
    graph = graph_of(CROSS, [(0, 1), (1, 2), (1, 4)])
    prune_spurs(graph, min_spur_m=10)
    assert sorted(graph) == [0, 2]
    [(_, _, data)] = graph.edges(data=True)
    assert path_length(data["path"]) == 100


def test_a_longer_arm_and_one_at_the_border_stay():
    graph = graph_of(CROSS, [(0, 1), (1, 2), (1, 3), (1, 4)], border=(4,))
    prune_spurs(graph, min_spur_m=10)
    assert graph.number_of_edges() == 4


def test_a_wide_road_has_longer_spurs():
    graph = graph_of(CROSS, [(0, 1), (1, 2), (1, 3)], half_width=16)
    prune_spurs(graph, min_spur_m=10)
    assert 3 not in graph


def test_the_longest_arm_of_a_fork_at_the_end_stays():
    graph = graph_of({0: (0, 0), 1: (50, 0), 2: (57, 3), 3: (55, -4)}, [(0, 1), (1, 2), (1, 3)])
    prune_spurs(graph, min_spur_m=10)
    assert sorted(graph) == [0, 2]


def test_the_corners_of_an_end_both_go():
    graph = graph_of({0: (0, 0), 1: (50, 0), 2: (52, 2), 3: (52, -2)}, [(0, 1), (1, 2), (1, 3)])
    prune_spurs(graph, min_spur_m=10)
    assert sorted(graph) == [0, 1]


def test_two_junctions_of_one_crossing_become_one():
    points = {0: (0, 0), 1: (50, 0), 2: (53, 0), 3: (100, 0), 4: (40, 40), 5: (60, -40)}
    graph = graph_of(points, [(0, 1), (1, 2), (2, 3), (1, 4), (2, 5)])
    contract_junctions(graph)
    assert sorted(degree for _, degree in graph.degree) == [1, 1, 1, 1, 4]
    assert graph.nodes[1]["xy"] == pytest.approx((51.5, 0))


def test_two_crossings_stay_two():
    points = {0: (0, 0), 1: (50, 0), 2: (60, 0), 3: (100, 0), 4: (40, 40), 5: (60, -40)}
    graph = graph_of(points, [(0, 1), (1, 2), (2, 3), (1, 4), (2, 5)])
    contract_junctions(graph)
    assert sorted(degree for _, degree in graph.degree) == [1, 1, 1, 1, 3, 3]


def test_short_components_go_whole():
    graph = graph_of({0: (0, 0), 1: (15, 0), 2: (100, 0), 3: (140, 0)}, [(0, 1), (2, 3)])
    drop_short_components(graph, min_length_m=20)
    assert sorted(graph) == [2, 3]

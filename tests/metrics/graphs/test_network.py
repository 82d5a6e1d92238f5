import networkx as nx
import numpy as np
import pytest
import shapely

from drawn_graphs import roads
from overland.metrics.graphs.network import Places, cut_at, network_from_graph, path_lengths, places_near, xy_of


def places(*pairs):
    return Places(
        np.array([line for line, _ in pairs], dtype=np.int64), np.array([float(offset) for _, offset in pairs])
    )


def lengths(network, at):
    pieces = cut_at(network, at)
    return path_lengths(pieces, pieces.vertex, pieces.vertex)


def test_paths_between_places_on_one_line():
    network = network_from_graph(roads([(0, 0), (100, 0)]))
    assert lengths(network, places((0, 0), (0, 30), (0, 100))).tolist() == [[0, 30, 100], [30, 0, 70], [100, 70, 0]]


def test_nowhere_has_no_path():
    network = network_from_graph(roads([(0, 0), (100, 0)]))
    assert np.isinf(lengths(network, places((0, 10), (-1, 0)))[:, 1]).all()


def test_of_parallel_roads_the_shorter_counts():
    graph = roads([(-9, 0), (0, 0), (10, 0), (19, 0)], [(0, 0), (0, 5), (10, 5), (10, 0)])
    network = network_from_graph(graph)
    ends = [index for index, xy in enumerate(network.nodes.tolist()) if xy in ([0, 0], [10, 0])]
    pieces = cut_at(network, places())
    assert path_lengths(pieces, np.array(ends[:1]), np.array(ends[1:]))[0, 0] == 10


def test_a_ring_is_walked_the_short_way_round():
    network = network_from_graph(roads([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]))
    assert lengths(network, places((0, 5), (0, 35)))[0, 1] == pytest.approx(10)
    assert lengths(network, places((0, 15), (0, 0)))[0, 1] == pytest.approx(15)


def test_a_limit_cuts_paths_off():
    network = network_from_graph(roads([(0, 0), (100, 0)]))
    pieces = cut_at(network, places((0, 0), (0, 30), (0, 60)))
    assert np.isfinite(path_lengths(pieces, pieces.vertex, pieces.vertex, limit_m=40)[0]).tolist() == [
        True,
        True,
        False,
    ]


def test_places_near_points():
    network = network_from_graph(roads([(0, 0), (100, 0)]))
    near = places_near(network, shapely.points([(20, 4), (20, 4.1), (-3, 0)]), 4)
    assert near.line.tolist() == [0, -1, 0]
    assert near.offset.tolist() == [20, 0, 0]
    assert xy_of(network, near[[0, 2]]).tolist() == [[20, 0], [0, 0]]


def test_an_edge_drawn_against_its_nodes_is_turned():
    graph = nx.MultiGraph()
    graph.add_node("a", x=0.0, y=0.0)
    graph.add_node("b", x=9.0, y=0.0)
    graph.add_edge("a", "b", geometry=shapely.LineString([(9, 0), (0, 0)]), length_m=9)
    assert network_from_graph(graph).ends.tolist() == [[1, 0]]

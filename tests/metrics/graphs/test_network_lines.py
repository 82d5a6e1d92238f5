import networkx as nx
import pytest
import shapely

from drawn_graphs import roads
from overland.metrics.graphs import graph_from_lines
from overland.metrics.graphs.network import drop_short_subgraphs, simplified


def degrees(graph):
    return sorted(degree for _, degree in graph.degree)


def test_nodes_and_edges_carry_what_they_should():
    graph = roads([(0, 0), (3, 4)])
    assert dict(graph.nodes(data=True)) == {0: {"x": 0.0, "y": 0.0}, 1: {"x": 3.0, "y": 4.0}}
    [(_, _, data)] = graph.edges(data=True)
    assert data["length_m"] == 5
    assert data["geometry"].equals(shapely.LineString([(0, 0), (3, 4)]))


def test_lines_that_share_an_end_are_one_road():
    assert roads([(0, 0), (5, 0)], [(5, 0), (9, 0)]).number_of_edges() == 1


def test_a_t_at_a_vertex_is_a_junction():
    graph = roads([(0, 0), (5, 0), (9, 0)], [(5, 0), (5, 5)])
    assert degrees(graph) == [1, 1, 1, 3]


def test_lines_that_cross_at_a_vertex_meet_and_a_bridge_does_not():
    assert degrees(roads([(0, 0), (5, 0), (9, 0)], [(5, -5), (5, 0), (5, 5)])) == [1, 1, 1, 1, 4]
    assert degrees(roads([(0, 0), (9, 0)], [(5, -5), (5, 5)])) == [1, 1, 1, 1]


@pytest.mark.parametrize(("gap", "pieces"), [(0.05, 1), (0.2, 2)])
def test_an_end_near_a_vertex_is_connected(gap, pieces):
    graph = roads([(0, 0), (5, 0), (9, 0)], [(5, gap), (5, 5)])
    assert nx.number_connected_components(graph) == pieces


def test_a_road_that_is_there_twice_counts_once():
    graph = roads([(0, 0), (5, 0), (9, 0)], [(9, 0), (5, 0)])
    assert [data["length_m"] for *_, data in graph.edges(data=True)] == [9]


def test_a_ring_has_one_node():
    graph = roads([(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)])
    assert degrees(graph) == [2]
    assert graph.number_of_edges() == 1


def test_no_lines_no_graph():
    assert len(graph_from_lines([])) == 0


def test_points_of_a_line_on_one_spot_are_nothing():
    assert len(roads([(1, 1), (1, 1)])) == 0


def test_nodes_between_two_edges_go():
    graph = nx.MultiGraph()
    for number, x in enumerate((0, 5, 9)):
        graph.add_node(number, x=x, y=0)
    graph.add_edge(0, 1, geometry=shapely.LineString([(0, 0), (5, 0)]), length_m=5)
    graph.add_edge(2, 1, geometry=shapely.LineString([(9, 0), (5, 0)]), length_m=4)
    assert simplified(graph).number_of_edges() == 1


def test_short_subgraphs_are_dropped_by_their_longest_path():
    graph = roads([(0, 0), (3, 0), (6, 0)], [(3, 0), (3, 3)], [(50, 0), (54, 0)], [(90, 0), (93, 0), (93, 3), (90, 0)])
    # Six metres across; four metres; a ring of 10.2 m, half of which is over five.
    assert drop_short_subgraphs(graph, 5).number_of_edges() == 4
    assert drop_short_subgraphs(graph, 5.5).number_of_edges() == 3

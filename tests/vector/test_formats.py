from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import shapely
from affine import Affine

from drawn_roads import mask_from_lines
from overland.errors import UsageError
from overland.raster import Grid
from overland.vector import graph_to_map, layers_from_graph, osmnx_graph, road_graph_from_mask, write_features

GRID = Grid(height=200, width=200, transform=Affine(0.5, 0, 500000, 0, -0.5, 4600000), crs="EPSG:32633")


@pytest.fixture
def layers():
    mask = mask_from_lines([[(20, 60), (180, 60)], [(100, 60), (100, 180)]], width=9)
    return layers_from_graph(graph_to_map(road_graph_from_mask(mask, pixel_size_m=(0.5, 0.5)), GRID))


def test_each_road_goes_both_ways(layers):
    graph = osmnx_graph(*layers)
    assert graph.graph["crs"] == "EPSG:32633"
    assert (len(graph), graph.number_of_edges()) == (4, 6)
    for u, v, data in graph.edges(data=True):
        [back] = graph[v][u].values()
        assert data["length"] == back["length"]
        assert data["reversed"] != back["reversed"]
        assert not data["oneway"]
        assert data["geometry"].coords[0] == (graph.nodes[u]["x"], graph.nodes[u]["y"])
        assert data["geometry"].coords[-1] == (graph.nodes[v]["x"], graph.nodes[v]["y"])
    assert sorted(count for _, count in graph.nodes(data="street_count")) == [1, 1, 1, 3]


def test_what_is_written_reads_back(layers, tmp_path):
    path = write_features(tmp_path / "roads.graphml", layers)
    graph = nx.read_graphml(path, node_type=int, force_multigraph=True)
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph["crs"] == "EPSG:32633"
    first = min(graph.edges(data="osmid"), key=lambda edge: int(edge[2]))[:2]
    data = graph.edges[(*first, 0)]
    assert (data["oneway"], data["reversed"]) == ("False", "False")
    assert float(data["length"]) == layers[0].fields["length_m"][0]
    assert shapely.equals_exact(shapely.from_wkt(data["geometry"]), layers[0].geometries[0], 0)


def test_other_layers_are_refused(layers, tmp_path):
    with pytest.raises(UsageError, match="road graphs"):
        write_features(tmp_path / "roads.graphml", layers[:1])
    assert not list(tmp_path.iterdir())


def test_osmnx_loads_it_and_finds_a_way(layers, tmp_path):
    osmnx = pytest.importorskip("osmnx")
    graph = osmnx.load_graphml(write_features(tmp_path / "roads.graphml", layers))
    ends = [node for node, count in graph.nodes(data="street_count") if count == 1]
    way = osmnx.routing.shortest_path(graph, ends[0], ends[-1], weight="length")
    assert len(way) == 3
    _, edges = osmnx.graph_to_gdfs(graph)
    assert str(edges.crs) == "EPSG:32633"
    assert np.allclose(edges.length, edges["length"])

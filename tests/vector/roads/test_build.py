from __future__ import annotations

import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Geod
from scipy.ndimage import gaussian_filter

from drawn_roads import mask_from_lines
from overland.raster import Grid, open_scene
from overland.vector import RoadSettings, graph_to_map, layers_from_graph, road_graph_from_mask


def degrees(graph):
    return sorted(degree for _, degree in graph.degree)


def only_edge(graph):
    [(_, _, data)] = graph.edges(data=True)
    return data


@pytest.mark.parametrize("width", [5, 6, 11, 20])
@pytest.mark.parametrize("line", [[(20, 100), (180, 100)], [(20, 30), (170, 140)]])
def test_a_straight_road_has_its_length_and_width(line, width):
    data = only_edge(road_graph_from_mask(mask_from_lines([line], width=width)))
    assert data["length_m"] == pytest.approx(shapely.LineString(line).length, rel=0.01)
    assert data["width_m"] == pytest.approx(width, abs=1)
    assert data["geometry"].hausdorff_distance(shapely.LineString(line)) < 2
    assert data["gap_filled"] == 0


def test_a_t_has_one_junction_and_three_ends():
    graph = road_graph_from_mask(mask_from_lines([[(20, 60), (180, 60)], [(100, 60), (100, 180)]], width=9))
    assert degrees(graph) == [1, 1, 1, 3]
    [junction] = [data for node, data in graph.nodes(data=True) if graph.degree(node) == 3]
    assert (junction["x"], junction["y"]) == pytest.approx((100, 60), abs=2)


@pytest.mark.parametrize("far_end", [(180, 100), (180, 150)])
def test_an_x_has_one_junction_and_four_ends(far_end):
    x, y = far_end
    lines = [[(200 - x, 200 - y), (x, y)], [(100, 20), (100, 180)]]
    graph = road_graph_from_mask(mask_from_lines(lines, width=9))
    assert degrees(graph) == [1, 1, 1, 1, 4]
    assert sum(data["length_m"] for *_, data in graph.edges(data=True)) == pytest.approx(
        sum(shapely.LineString(line).length for line in lines), rel=0.02
    )


def test_a_ring_is_one_loop():
    ring = shapely.Point(100, 100).buffer(60, quad_segs=32).exterior.coords
    graph = road_graph_from_mask(mask_from_lines([ring], width=7))
    data = only_edge(graph)
    assert degrees(graph) == [2]
    assert data["geometry"].is_closed
    assert data["geometry"].coords[0] == (graph.nodes[0]["x"], graph.nodes[0]["y"])
    assert data["length_m"] == pytest.approx(2 * np.pi * 60, rel=0.01)


def test_a_bump_on_the_side_gives_no_spur():
    mask = mask_from_lines([[(20, 100), (180, 100)], [(100, 100), (100, 91)]], width=9)
    assert degrees(road_graph_from_mask(mask)) == [1, 1]


def test_a_real_side_road_is_no_spur():
    mask = mask_from_lines([[(20, 100), (180, 100)], [(100, 100), (100, 80)]], width=9)
    assert degrees(road_graph_from_mask(mask)) == [1, 1, 1, 3]


def test_a_gap_in_line_is_filled():
    graph = road_graph_from_mask(mask_from_lines([[(10, 100), (95, 100)], [(105, 100), (190, 100)]], width=7))
    data = only_edge(graph)
    assert data["length_m"] == pytest.approx(180, rel=0.01)
    assert data["gap_filled"] == pytest.approx(10 / 180, abs=0.01)
    assert data["width_m"] == pytest.approx(7, abs=1)


def test_a_gap_wider_than_allowed_is_not_filled():
    mask = mask_from_lines([[(10, 100), (95, 100)], [(105, 100), (190, 100)]], width=7)
    assert degrees(road_graph_from_mask(mask, settings=RoadSettings(max_gap_m=8))) == [1, 1, 1, 1]


def test_a_gap_to_the_side_is_not_filled():
    graph = road_graph_from_mask(mask_from_lines([[(10, 90), (95, 90)], [(105, 110), (190, 110)]], width=7))
    assert degrees(graph) == [1, 1, 1, 1]


def test_a_road_that_stops_before_another_is_extended_to_it():
    graph = road_graph_from_mask(mask_from_lines([[(20, 60), (180, 60)], [(100, 80), (100, 180)]], width=7))
    assert degrees(graph) == [1, 1, 1, 3]
    [junction] = [data for node, data in graph.nodes(data=True) if graph.degree(node) == 3]
    assert (junction["x"], junction["y"]) == pytest.approx((100, 60), abs=1.5)


@pytest.mark.parametrize("beyond", [5, 9])
def test_the_stub_behind_a_filled_gap_is_pruned(beyond):
    graph = road_graph_from_mask(mask_from_lines([[(20, 60), (100 + beyond, 60)], [(100, 74), (100, 180)]], width=7))
    assert degrees(graph) == [1, 1]
    assert only_edge(graph)["length_m"] == pytest.approx(80 + 120, rel=0.02)


def test_two_roads_that_stop_before_another_split_it_twice():
    lines = [[(20, 60), (180, 60)], [(60, 80), (60, 180)], [(140, 80), (140, 180)]]
    graph = road_graph_from_mask(mask_from_lines(lines, width=7))
    assert degrees(graph) == [1, 1, 1, 1, 3, 3]
    assert graph.number_of_edges() == 5


def test_a_road_that_leaves_the_scene_reaches_its_border():
    graph = road_graph_from_mask(mask_from_lines([[(-20, 60), (220, 140)]], width=9))
    assert [data["border"] for _, data in graph.nodes(data=True)] == [True, True]
    (left, right) = sorted(data["x"] for _, data in graph.nodes(data=True))
    assert (left, right) == pytest.approx((0, 200), abs=1)


def test_a_short_road_at_the_border_is_no_spur():
    graph = road_graph_from_mask(mask_from_lines([[(0, 8), (200, 8)], [(100, 8), (100, -5)]], width=5))
    assert degrees(graph) == [1, 1, 1, 3]


def test_a_piece_that_is_too_short_is_dropped():
    mask = mask_from_lines([[(20, 40), (180, 40)], [(20, 160), (35, 160)]], width=7)
    assert len(road_graph_from_mask(mask, settings=RoadSettings(min_length_m=20)).edges) == 1
    assert len(road_graph_from_mask(mask, settings=RoadSettings(min_length_m=10)).edges) == 2


def test_specks_and_pinholes_change_nothing():
    mask = mask_from_lines([[(20, 100), (180, 100)]], width=11)
    dirty = mask.copy()
    dirty[98:102, 60:66] = False
    dirty[20:26, 20:26] = True
    assert only_edge(road_graph_from_mask(dirty))["length_m"] == only_edge(road_graph_from_mask(mask))["length_m"]


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_one_value_is_no_crash(value):
    assert len(road_graph_from_mask(np.full((50, 60), value)).edges) <= 1


def test_lengths_are_in_metres():
    mask = mask_from_lines([[(20, 100), (180, 100)]], width=9)
    data = only_edge(road_graph_from_mask(mask, pixel_size_m=(0.5, 0.5), settings=RoadSettings(min_spur_m=5)))
    assert data["length_m"] == pytest.approx(80, rel=0.01)
    assert data["width_m"] == pytest.approx(4.5, abs=0.5)


def test_oblong_pixels_are_measured_along_each_side():
    mask = mask_from_lines([[(20, 30), (180, 30)], [(20, 60), (20, 180)]], width=9)
    graph = road_graph_from_mask(mask, pixel_size_m=(1.0, 2.0), settings=RoadSettings(max_gap_m=0))
    across, down = sorted(graph.edges(data=True), key=lambda edge: edge[2]["geometry"].bounds[1])
    assert across[2]["length_m"] == pytest.approx(160, rel=0.01)
    assert across[2]["width_m"] == pytest.approx(18, abs=2)
    assert down[2]["length_m"] == pytest.approx(240, rel=0.01)
    assert down[2]["width_m"] == pytest.approx(9, abs=1)


def test_a_noisy_road_keeps_its_shape():
    line = [(-10, 60), (80, 90), (120, 150), (210, 170)]
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(200, 200)), 2) / 0.14
    blurred = gaussian_filter(mask_from_lines([line], width=11).astype(float), 1.5)
    data = only_edge(road_graph_from_mask(blurred + 0.15 * noise > 0.5))
    truth = shapely.LineString(line).intersection(shapely.box(0, 0, 200, 200))
    assert data["length_m"] == pytest.approx(truth.length, rel=0.02)
    assert data["geometry"].hausdorff_distance(truth) < 4


def test_the_same_mask_gives_the_same_graph():
    mask = mask_from_lines([[(20, 60), (180, 60)], [(100, 80), (100, 180)], [(10, 10), (190, 190)]], width=7)
    one, other = (layers_from_graph(road_graph_from_mask(mask)) for _ in range(2))
    assert [line.wkt for line in one[0].geometries] == [line.wkt for line in other[0].geometries]


def ragged_mask():
    lines = [[(-10, 60), (210, 75)], [(100, 80), (90, 210)], [(10, 10), (190, 190)], [(40, 120), (40, 180)]]
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(200, 200)), 2) / 0.14
    return gaussian_filter(mask_from_lines(lines, width=9).astype(float), 1) + 0.25 * noise


@pytest.mark.parametrize("has_probabilities", [False, True])
@pytest.mark.parametrize("block_rows", [50, 13])
def test_the_graph_does_not_depend_on_the_row_blocks(block_rows, has_probabilities):
    probabilities = ragged_mask().clip(0, 1) if has_probabilities else None
    mask = ragged_mask() > 0.5
    whole, in_blocks = (
        layers_from_graph(road_graph_from_mask(mask, probabilities=probabilities, block_rows=rows))
        for rows in (200, block_rows)
    )
    for one, other in zip(whole, in_blocks, strict=True):
        assert [geometry.wkb for geometry in one.geometries] == [geometry.wkb for geometry in other.geometries]
        for name in one.fields:
            assert np.array_equal(one.fields[name], other.fields[name], equal_nan=name == "width_m")


def test_weak_scores_carry_a_road_on():
    line = [(20, 100), (180, 100)]
    probabilities = np.where(mask_from_lines([line], width=9), 0.4, 0.0)
    mask = mask_from_lines([[(20, 100), (60, 100)]], width=9)
    data = only_edge(road_graph_from_mask(mask, probabilities=probabilities))
    assert data["length_m"] == pytest.approx(160, rel=0.01)
    assert (data["mean_p"], data["gap_filled"]) == (pytest.approx(0.4, abs=0.01), 0)
    high = RoadSettings(low_threshold=0.5)
    assert only_edge(road_graph_from_mask(mask, probabilities=probabilities, settings=high))["length_m"] < 50


def test_the_lower_threshold_follows_from_the_mask():
    probabilities = np.where(mask_from_lines([[(20, 100), (180, 100)]], width=9), 0.25, 0.0)
    sure = mask_from_lines([[(20, 100), (60, 100)]], width=9)
    assert only_edge(road_graph_from_mask(sure, probabilities=np.where(sure, 0.36, probabilities)))["length_m"] > 155
    probabilities = np.where(sure, 0.8, probabilities)
    graph = road_graph_from_mask(sure, probabilities=probabilities, settings=RoadSettings(max_gap_m=0))
    assert only_edge(graph)["length_m"] < 50


def test_low_probabilities_alone_are_no_road():
    probabilities = np.where(mask_from_lines([[(20, 100), (180, 100)]], width=9), 0.4, 0.0)
    assert len(road_graph_from_mask(probabilities > 0.5, probabilities=probabilities)) == 0


def test_probabilities_cross_what_a_heading_cannot():
    bend = [(10, 100), (80, 100), (100, 120), (100, 190)]
    probabilities = np.where(mask_from_lines([bend], width=7), 0.25, 0.0)
    mask = mask_from_lines([[(10, 100), (78, 100)], [(100, 122), (100, 190)]], width=7)
    assert degrees(road_graph_from_mask(mask)) == [1, 1, 1, 1]
    data = only_edge(road_graph_from_mask(mask, probabilities=probabilities, settings=RoadSettings(low_threshold=1)))
    assert data["gap_filled"] == pytest.approx(31 / 170, abs=0.04)
    assert data["min_p"] == 0.25


def test_to_map_moves_lines_and_nodes_and_measures_in_the_crs():
    graph = road_graph_from_mask(mask_from_lines([[(20, 100), (180, 100)]], width=9))
    grid = Grid(height=200, width=200, transform=Affine(0.5, 0, 1000, 0, -0.5, 2000), crs="EPSG:32633")
    moved = graph_to_map(graph, grid)
    assert only_edge(moved)["length_m"] == pytest.approx(80, rel=0.01)
    start, end = only_edge(moved)["geometry"].coords
    assert start == pytest.approx((1010, 1950), abs=0.5)
    assert end == pytest.approx((1090, 1950), abs=0.5)
    assert moved.nodes[0]["x"] == pytest.approx(start[0])


def test_in_degrees_lengths_are_geodesic():
    graph = road_graph_from_mask(mask_from_lines([[(20, 100), (180, 100)]], width=9))
    grid = Grid(height=200, width=200, transform=Affine(1e-5, 0, 24.9, 0, -1e-5, 60.2), crs="EPSG:4326")
    data = only_edge(graph_to_map(graph, grid))
    (lon0, lat0), (lon1, lat1) = data["geometry"].coords
    assert data["length_m"] == pytest.approx(Geod(ellps="WGS84").inv(lon0, lat0, lon1, lat1)[2])
    assert data["length_m"] == pytest.approx(160e-5 * 111_320 * np.cos(np.radians(60.2)), rel=0.01)


def test_layers_name_the_class_and_the_degree():
    graph = road_graph_from_mask(mask_from_lines([[(20, 60), (180, 60)], [(100, 60), (100, 180)]], width=9))
    edges, nodes = layers_from_graph(graph, name="highway")
    assert set(edges.fields["name"]) == {"highway"}
    assert list(edges.fields) == ["u", "v", "name", "length_m", "width_m", "gap_filled"]
    assert sorted(nodes.fields["degree"]) == [1, 1, 1, 3]
    for u, v, line in zip(edges.fields["u"], edges.fields["v"], edges.geometries, strict=True):
        assert line.coords[0] == nodes.geometries[u].coords[0]
        assert line.coords[-1] == nodes.geometries[v].coords[0]


@pytest.mark.real
@pytest.mark.parametrize(("name", "components"), [("17728720_15", 6), ("18778720_15", 4)])
def test_real_labels_give_a_connected_network(name, components):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    path = Path(os.environ["OVERLAND_DATA"]) / "rasters" / "massachusetts" / f"{name}_labels.tif"
    with open_scene(path) as scene:
        pixels, valid = scene.read()
    mask = (pixels[0] == 1) & valid
    graph = road_graph_from_mask(mask)
    assert nx.number_connected_components(graph) <= components
    lines = shapely.union_all([data["geometry"] for *_, data in graph.edges(data=True)])
    # The network covers the mask: hardly a road pixel lies further from a line than half a road.
    rows, cols = np.nonzero(mask)
    far = shapely.distance(lines, shapely.points(cols + 0.5, rows + 0.5)) > 6
    assert far.mean() < 0.05
    # The labels are drawn 7 pixels wide.
    widths = [data["width_m"] for *_, data in graph.edges(data=True)]
    assert np.median(widths) == pytest.approx(7, abs=1)


@pytest.mark.real
def test_a_real_network_does_not_depend_on_the_row_blocks():
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA names no folder of real imagery")
    path = Path(os.environ["OVERLAND_DATA"]) / "rasters" / "massachusetts" / "18778720_15_labels.tif"
    with open_scene(path) as scene:
        pixels, valid = scene.read()
    mask = (pixels[0] == 1) & valid
    one, sixteen = (layers_from_graph(road_graph_from_mask(mask, block_rows=rows))[0] for rows in (1500, 94))
    assert [line.wkb for line in one.geometries] == [line.wkb for line in sixteen.geometries]

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from overland.cleaning.components import bitmask_from_array
from overland.vector.roads.gaps import extend_ends, heading_at, join_ends
from overland.vector.roads.trace import add_path, gap_filled_length


def roads(*lines, half_width=2.0):
    graph = nx.MultiGraph()
    for number, line in enumerate(lines):
        points = np.column_stack([np.array(line, dtype=float), np.full(len(line), half_width)])
        graph.add_node(2 * number, xy=points[0, :2], border=False)
        graph.add_node(2 * number + 1, xy=points[-1, :2], border=False)
        add_path(graph, 2 * number, 2 * number + 1, points)
    return graph


def join(graph, max_gap_m=20):
    join_ends(graph, max_gap_m=max_gap_m, max_aside_m=6, max_turn_deg=30, pixel_size_m=(1, 1))
    return graph


def test_headings_point_out_of_the_road_at_both_ends():
    graph = roads([(0, 0), (30, 40)])
    assert heading_at(graph, 0, 1.0) == pytest.approx((-0.6, -0.8))
    assert heading_at(graph, 1, 1.0) == pytest.approx((0.6, 0.8))


def test_a_hook_at_the_very_end_does_not_turn_the_heading():
    graph = roads([(0, 0), (50, 0), (52, 2)], half_width=4)
    assert heading_at(graph, 1, 1.0) == pytest.approx((1, 0), abs=0.02)


def test_ends_are_drawn_to_the_end_of_the_mask():
    mask = np.zeros((20, 100), dtype=bool)
    mask[6:15, 10:90] = True
    graph = roads([(x, 10.5) for x in range(15, 86)], half_width=4.5)
    extend_ends(graph, bitmask_from_array(mask), pixel_size_m=(1, 1))
    assert graph.nodes[0]["xy"] == pytest.approx((10, 10.5), abs=0.5)
    assert graph.nodes[1]["xy"] == pytest.approx((90, 10.5), abs=0.5)


def test_ends_that_face_each_other_are_joined():
    [(_, _, data)] = join(roads([(0, 0), (40, 0)], [(52, 1), (90, 1)])).edges(data=True)
    assert gap_filled_length(data["path"]) == pytest.approx(np.hypot(12, 1))


@pytest.mark.parametrize(
    "other",
    [
        [(52, 12), (90, 12)],  # beside
        [(45, 4), (45, 60)],  # turned by 90 degrees
        [(61, 0), (90, 0)],  # too far
    ],
)
def test_other_ends_are_not(other):
    assert join(roads([(0, 0), (40, 0)], other)).number_of_edges() == 2


def test_the_better_of_two_pairs_wins():
    graph = join(roads([(0, 0), (40, 0)], [(52, 0), (90, 0)], [(50, 5), (90, 20)]))
    assert nx.has_path(graph, 0, 3)
    assert not nx.has_path(graph, 0, 5)


def test_a_dot_between_two_roads_joins_them_though_it_points_elsewhere():
    dot = [(44, 0), (45, 0.8), (46, 1.6), (46.5, 2.5)]
    graph = join(roads([(0, 0), (40, 0)], dot, [(54, 0), (90, 0)]))
    assert nx.has_path(graph, 0, 5)

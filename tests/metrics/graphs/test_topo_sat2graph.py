import math

import pytest

from drawn_graphs import grid, roads
from overland.metrics.graphs import topo_sat2graph

LINE = [(0, 0), (400, 0)]
EMPTY = roads()


def test_the_same_graph_scores_1():
    scores = topo_sat2graph(grid(4, spacing=70), grid(4, spacing=70))
    assert (scores.precision, scores.recall, scores.f1) == (1, 1, 1)
    assert scores.origins == scores.matched_origins == 24


def test_nothing_scores_0_and_two_nothings_have_no_score():
    assert topo_sat2graph(roads(LINE), EMPTY).f1 == topo_sat2graph(EMPTY, roads(LINE)).f1 == 0
    assert math.isnan(topo_sat2graph(EMPTY, EMPTY).f1)


def test_an_origin_without_a_road_lowers_recall():
    # Origins every 50 m; the one at 200 is 20 m from a road, the others see the same 20 m to both sides.
    scores = topo_sat2graph(roads(LINE), roads([(0, 0), (180, 0)], [(220, 0), (400, 0)]), reach_m=20)
    assert (scores.origins, scores.matched_origins) == (7, 6)
    assert (scores.precision, scores.recall_matched) == (1, 1)
    assert scores.recall == pytest.approx(6 / 7)
    assert scores.f1 == pytest.approx(12 / 13)


def test_a_cut_edge():
    scores = topo_sat2graph(roads(LINE), roads([(0, 0), (222, 0)], [(228, 0), (400, 0)]), reach_m=40)
    # Of seven origins those at 200 and 250 see the cut: 13 marbles on 17 holes.
    assert scores.precision == 1
    assert scores.recall == pytest.approx((5 + 2 * 13 / 17) / 7)


@pytest.mark.parametrize(("shift", "score"), [(9.9, 1), (10.1, 0)])
def test_a_shift_below_and_above_the_match_distance(shift, score):
    assert topo_sat2graph(roads(LINE), roads([(0, shift), (400, shift)])).f1 == score


@pytest.mark.parametrize(("degrees", "matched"), [(29, 1), (31, 0)])
def test_a_road_that_runs_another_way_is_no_match(degrees, matched):
    dx, dy = 50 * math.cos(math.radians(degrees)), 50 * math.sin(math.radians(degrees))
    scores = topo_sat2graph(roads([(0, 0), (100, 0)]), roads([(50 - dx, -dy), (50 + dx, dy)]), reach_m=5)
    assert scores.matched_origins == matched


def test_a_missing_t_lowers_recall_by_what_is_out_of_reach():
    street = [(0, 0), (50, 0), (100, 0)]
    whole = roads(street, [(50, 0), (50, 100)])
    scores = topo_sat2graph(whole, roads([(0, 0), (100, 0)], [(50, 20), (50, 100)]))
    assert scores.precision == 1
    assert scores.recall_matched < 0.75


def test_two_roads_on_one_count_once():
    # Both carriageways find the same road; of two origins at one place the better counts, or both if nearly perfect.
    double = roads([(0, 0), (100, 0)], [(0, 8), (100, 8), (100, 60)])
    scores = topo_sat2graph(double, roads([(0, 4), (100, 4)]))
    assert scores.matched_origins < scores.origins

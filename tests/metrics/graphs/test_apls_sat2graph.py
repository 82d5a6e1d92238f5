import math

import pytest

from drawn_graphs import grid, roads, stepped
from overland.metrics.graphs import apls_sat2graph

BOUNDS = (-200, -200, 600, 200)
ROAD = roads(stepped(0, 400))
EMPTY = roads()


def scores(truth, proposal, **settings):
    return apls_sat2graph(truth, proposal, bounds=BOUNDS, **settings)


def test_the_same_graph_scores_1():
    assert scores(ROAD, ROAD).score == pytest.approx(1)
    assert apls_sat2graph(grid(12), grid(12)).score == pytest.approx(1)


def test_nothing_scores_0_and_two_nothings_have_no_score():
    assert scores(ROAD, EMPTY).score == scores(EMPTY, ROAD).score == 0
    assert math.isnan(scores(EMPTY, EMPTY).score)


def test_a_cut_edge():
    cut = scores(ROAD, roads(stepped(0, 190), stepped(210, 400)))
    # Points at 0 44 88 134 178 | 222 268 312 356 400: 3 + 3 pairs over 100 m on one side, 22 over the gap.
    assert cut.pairs_truth_to_proposal == 28
    assert cut.truth_to_proposal == pytest.approx(6 / 28)
    # Points at 0 48 96 144 190, and so on the other side; what has no path is no pair.
    assert cut.pairs_proposal_to_truth == 6
    assert cut.proposal_to_truth == pytest.approx(1)
    assert cut.score == pytest.approx((6 / 28 + 1) / 2)


def test_a_pair_with_an_unmatched_point_counts_whatever_its_path():
    half = scores(ROAD, roads(stepped(0, 200)))
    # Five points matched, five not: 3 pairs over 100 m, and 45 - 10 pairs with a point that has no match.
    assert half.pairs_truth_to_proposal == 38
    assert half.truth_to_proposal == pytest.approx(3 / 38)


@pytest.mark.parametrize(("shift", "score"), [(9.9, 1), (10.1, 0)])
def test_a_shift_below_and_above_the_snap_distance(shift, score):
    assert scores(ROAD, roads(stepped(0, 400, shift))).score == pytest.approx(score)


def test_a_missing_t():
    branch = [(200, 2.0 * step) for step in range(76)]
    whole = scores(roads(stepped(0, 400), branch), roads(stepped(0, 400), branch))
    without = scores(roads(stepped(0, 400), branch), roads(stepped(0, 400), branch[20:]))
    assert whole.score == pytest.approx(1)
    assert without.truth_to_proposal < 0.8
    assert without.proposal_to_truth == pytest.approx(1)


def test_matching_is_one_to_one():
    # Two roads 6 m apart, of which the proposal has one: its points serve one of them.
    double = roads(stepped(0, 400), stepped(0, 400, 6))
    assert scores(double, ROAD).truth_to_proposal < 0.5
    assert scores(ROAD, double).truth_to_proposal == pytest.approx(1)


def test_the_margin_is_left_out():
    inside = apls_sat2graph(ROAD, ROAD, bounds=(-110, -200, 400, 200))
    # Of ten points those at 312, 356 and 400 stand in the margin.
    assert inside.pairs_truth_to_proposal == scores(ROAD, ROAD).pairs_truth_to_proposal - 18
    assert math.isnan(apls_sat2graph(ROAD, ROAD).score)


def test_small_tiles_have_their_own_distances():
    road = roads(stepped(0, 100))
    small = scores(road, road, spacing_m=30, min_path_m=30, margin_m=30)
    # Points at 0 24 50 76 100: all but the four steps between neighbours.
    assert small.pairs_truth_to_proposal == 6

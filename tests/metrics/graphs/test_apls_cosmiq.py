import math

import pytest

from drawn_graphs import grid, roads
from overland.metrics.graphs import apls_cosmiq

LINE = [(0, 0), (100, 0)]
T = ([(0, 0), (50, 0), (100, 0)], [(50, 0), (50, 40)])
EMPTY = roads()


def test_the_same_graph_scores_1():
    assert apls_cosmiq(grid(4), grid(4)).score == pytest.approx(1)


def test_nothing_scores_0_and_two_nothings_have_no_score():
    assert apls_cosmiq(roads(LINE), EMPTY).score == 0
    assert apls_cosmiq(EMPTY, roads(LINE)).score == 0
    assert math.isnan(apls_cosmiq(EMPTY, EMPTY).score)


def test_a_cut_edge():
    scores = apls_cosmiq(roads(LINE), roads([(0, 0), (60, 0)], [(70, 0), (100, 0)]))
    # Of 0, 50 and 100 only 0-50 is still connected; every path of the proposal is there in the truth.
    assert scores.truth_to_proposal == pytest.approx(1 / 3)
    assert scores.proposal_to_truth == pytest.approx(1)
    assert scores.score == pytest.approx(1 / 2)
    assert scores.pairs_truth_to_proposal == 6
    assert scores.pairs_proposal_to_truth == 6 + 2


def test_a_detour():
    scores = apls_cosmiq(roads([(0, 0), (30, 0)]), roads([(0, 0), (15, 20), (30, 0)]))
    # 50 m instead of 30; the other way the middle of the detour has no place, and 30 stand for 50.
    assert scores.truth_to_proposal == pytest.approx(1 - 20 / 30)
    assert scores.proposal_to_truth == pytest.approx(1 - (0.4 + 1 + 1) / 3)
    assert scores.score == pytest.approx(1 / 4)


@pytest.mark.parametrize(("shift", "score"), [(3.9, 1), (4.1, 0)])
def test_a_shift_below_and_above_the_snap_distance(shift, score):
    assert apls_cosmiq(roads(LINE), roads([(0, shift), (100, shift)])).score == pytest.approx(score)


def test_a_missing_t():
    scores = apls_cosmiq(roads(*T), roads(LINE, [(50, 10), (50, 40)]))
    # Five points along the street, two up the branch: 10 of 21 pairs have lost their way.
    assert scores.truth_to_proposal == pytest.approx(11 / 21)
    assert scores.proposal_to_truth == pytest.approx(1)
    assert scores.score == pytest.approx(22 / 32)


def test_roles_matter():
    whole, cut = roads(LINE), roads([(0, 0), (60, 0)], [(70, 0), (100, 0)])
    there, back = apls_cosmiq(whole, cut), apls_cosmiq(cut, whole)
    assert there.truth_to_proposal == back.proposal_to_truth != there.proposal_to_truth
    # Four metres are dropped from a truth, three from a proposal.
    speck = roads(LINE, [(0, 50), (4, 50)])
    assert apls_cosmiq(speck, whole).score == pytest.approx(1)
    assert apls_cosmiq(whole, speck).proposal_to_truth == pytest.approx(3 / 4)


@pytest.mark.parametrize(("length", "score"), [(4.9, 1), (5.1, 3 / 4)])
def test_subgraphs_below_5_m_are_dropped(length, score):
    truth = roads(LINE, [(0, 50), (length, 50)])
    assert apls_cosmiq(truth, roads(LINE)).truth_to_proposal == pytest.approx(score)


@pytest.mark.parametrize(("length", "points"), [(37.4, 2), (37.6, 3), (50, 3), (51, 3), (101, 4)])
def test_points_every_50_m_and_none_below_three_quarters(length, points):
    graph = roads([(0, 0), (length, 0)])
    assert apls_cosmiq(graph, graph).pairs_truth_to_proposal == points * (points - 1)


def test_at_most_so_many_nodes_are_drawn_by_the_seed():
    truth, proposal = grid(6), roads(*([(x, 40.0 * y) for y in range(6)] for x in (0.0, 40.0, 120.0)))
    scores = [apls_cosmiq(truth, proposal, max_nodes=12, seed=seed) for seed in (0, 0, 1)]
    assert scores[0].pairs_truth_to_proposal == 12 * 11
    assert scores[0] == scores[1] != scores[2]

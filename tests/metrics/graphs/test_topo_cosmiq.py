import math

import pytest

from drawn_graphs import grid, roads
from overland.metrics.graphs import topo_cosmiq

LINE = [(0, 0), (100, 0)]
EMPTY = roads()


def test_the_same_graph_scores_1():
    scores = topo_cosmiq(grid(4), grid(4))
    # The corners of the town are no nodes.
    assert scores.origins == 12
    assert (scores.precision, scores.recall, scores.f1) == (1, 1, 1)


def test_nothing_scores_0_and_two_nothings_have_no_score():
    assert topo_cosmiq(roads(LINE), EMPTY).f1 == topo_cosmiq(EMPTY, roads(LINE)).f1 == 0
    assert math.isnan(topo_cosmiq(EMPTY, EMPTY).f1)


def test_a_cut_edge():
    scores = topo_cosmiq(roads(LINE), roads([(0, 0), (60, 0)], [(70, 0), (100, 0)]))
    # From 0: holes 0 30 60 90 100, marbles 0 30 60. From 100: holes 100 70 40 10 0, marbles 100 70.
    assert (scores.precision, scores.recall) == (1, 5 / 10)
    assert scores.f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize(("shift", "score"), [(3.9, 1), (4.1, 0)])
def test_a_shift_below_and_above_the_match_distance(shift, score):
    assert topo_cosmiq(roads(LINE), roads([(0, shift), (100, shift)])).f1 == score


def test_a_missing_t_empties_the_holes_of_its_junction():
    truth = roads([(0, 0), (20, 0), (40, 0)], [(20, 0), (20, 20)])
    scores = topo_cosmiq(truth, roads([(0, 0), (20, 0), (40, 0)], [(20, 10), (20, 20)]))
    # Four origins with four holes each. From both ends of the street 2 of 3 marbles hit, since the one after 30 m has
    # no hole now; from the end of the branch 1 of 2; the junction itself is no node of the proposal.
    assert (scores.origins, scores.holes, scores.marbles) == (4, 16, 8)
    assert scores.recall == 5 / 16
    assert scores.precision == 5 / 8


def test_what_is_not_connected_within_the_radius_is_left_out():
    # Two ends 30 m apart see nothing but themselves, for the way between them turns 200 m away, at a junction with a
    # stub of 20 m: there junction and end see each other.
    horseshoe = roads([(0, 0), (0, 200)], [(0, 200), (30, 200), (30, 0)], [(0, 200), (0, 220)])
    scores = topo_cosmiq(horseshoe, horseshoe)
    assert scores.holes == scores.marbles == 1 + 1 + 2 + 2


def test_a_hole_takes_one_marble():
    # A fork of three for one road: of the three marbles at its end two find the hole taken, from both origins.
    scores = topo_cosmiq(roads([(0, 0), (20, 0)]), roads(*([(0, 0), (20, y)] for y in (-2, 0, 2))))
    assert scores.recall == 1
    assert scores.precision == 4 / 8


def test_origins_are_drawn_by_the_seed():
    truth, proposal = grid(6), roads(*([(x, 40.0 * y) for y in range(6)] for x in (0.0, 40.0, 120.0)))
    scores = [topo_cosmiq(truth, proposal, max_origins=9, seed=seed) for seed in (0, 0, 1)]
    assert scores[0].origins == 9
    assert scores[0] == scores[1] != scores[2]


RING = [(0.0, 0.0), (90.0, 0.0), (90.0, 100.0), (0.0, 100.0)]


def loop(points, *others):
    return roads([*points, points[0]], *others)


@pytest.mark.parametrize(
    "begun", [RING, RING[2:] + RING[:2], RING[::-1], [(x + 0.5, y) for x, y in RING[1:] + RING[:1]]]
)
def test_a_free_ring_is_the_same_wherever_it_begins_and_whichever_way_it_runs(begun):
    # Both ways from its node to half of 380 m: 1 + 2 * 6 points.
    scores = topo_cosmiq(loop(RING), loop(begun))
    assert (scores.f1, scores.holes, scores.marbles) == (1, 13, 13)


def test_a_loop_at_a_junction_is_counted_both_ways():
    stem = [(-60, 0), (0, 0)]
    assert topo_cosmiq(loop(RING, stem), loop([RING[0], *RING[:0:-1]], stem)).f1 == 1


def test_a_ring_that_the_proposal_cuts_open_keeps_what_is_left():
    scores = topo_cosmiq(loop(RING), roads([(0, 40), (0, 100), (90, 100), (90, 0), (0, 0), (0, 30)]))
    # The points on the far half of the ring are counted from its other end.
    assert (scores.origins, scores.holes, scores.marbles) == (1, 13, 14)
    assert scores.recall == 8 / 13

import numpy as np
import pytest

from overland.reporting.map_figure import road_groups


def test_without_measures_all_roads_are_alike():
    assert road_groups() == []


def test_roads_are_grouped_by_probability_and_the_unsure_are_drawn_last():
    groups = road_groups([0.95, 0.3, 0.9, 0.7, np.nan])
    assert [(group.label, group.members.tolist()) for group in groups] == [
        ("probability 0.9 and more", [0, 2]),
        ("probability 0.7 to 0.9", [3]),
        ("probability under 0.5", [1]),
        ("seen", [4]),
    ]
    assert len({group.color for group in groups[:3]}) == 3


def test_roads_over_gaps_are_dashed():
    groups = road_groups([0.95, 0.95], [0.0, 0.8])
    assert [(group.dashed, group.members.tolist()) for group in groups] == [(False, [0]), (True, [1])]
    assert groups[0].color == groups[1].color


def test_without_probabilities_seen_and_gap_filled_are_told_apart():
    groups = road_groups(None, [0.0, 1.0, 0.2])
    assert [(group.label, group.members.tolist()) for group in groups] == [
        ("seen", [0, 2]),
        ("mostly over a gap", [1]),
    ]


@pytest.mark.parametrize("count", [0, 7])
def test_every_road_is_in_one_group(count):
    rng = np.random.default_rng(count)
    groups = road_groups(rng.random(count).tolist(), rng.random(count).tolist())
    assert sorted(index for group in groups for index in group.members.tolist()) == list(range(count))

import numpy as np
import pytest

from overland.errors import DataError
from overland.metrics.roads import connectivity_counts


def lines(*parts):
    mask = np.zeros((60, 60), bool)
    for rows, columns in parts:
        mask[rows, columns] = True
    return mask


def counts(truth, prediction, **settings):
    keys = ("components_truth", "components_prediction", "roads", "broken", "missed")
    return dict(zip(keys, connectivity_counts(truth, prediction, **settings).tolist(), strict=True))


ROAD = lines((30, slice(0, 60)))
CROSS = ROAD | lines((slice(0, 60), 30))


def test_a_road_found_is_whole():
    assert counts(ROAD, ROAD) == {
        "components_truth": 1, "components_prediction": 1, "roads": 1, "broken": 0, "missed": 0
    }  # fmt: skip


def test_a_road_a_little_aside_is_whole():
    assert counts(ROAD, lines((33, slice(0, 60))))["broken"] == 0
    assert counts(ROAD, lines((34, slice(0, 60))))["missed"] == 1


@pytest.mark.parametrize("gap", [2, 5, 20])
def test_a_gap_breaks_a_road(gap):
    broken = counts(ROAD, lines((30, slice(0, 20)), (30, slice(20 + gap, 60))))
    assert (broken["components_prediction"], broken["broken"], broken["missed"]) == (2, 1, 0)


def test_a_road_that_ends_early_is_not_broken():
    assert counts(ROAD, lines((30, slice(0, 20))))["broken"] == 0


def test_a_gap_with_a_way_round_breaks_a_road_as_well():
    block = lines((slice(10, 51), 10), (slice(10, 51), 50), (10, slice(0, 60)), (50, slice(10, 51)))
    cut = block & ~lines((10, slice(20, 35)))
    assert counts(block, block)["broken"] == 0
    assert counts(block, cut) == counts(block, block) | {"broken": 1}


def test_roads_end_at_junctions():
    assert counts(CROSS, CROSS)["roads"] == 4
    one_arm = counts(CROSS, CROSS & ~lines((slice(10, 20), 30)))
    assert (one_arm["roads"], one_arm["broken"], one_arm["missed"]) == (4, 1, 0)
    assert counts(CROSS, ROAD)["missed"] == 0
    assert counts(CROSS, lines((30, slice(0, 20))))["missed"] == 3


def test_specks_are_no_roads():
    assert counts(ROAD | lines((5, slice(5, 14))), ROAD)["roads"] == 1


def test_nothing_predicted_misses_all():
    nothing = np.zeros_like(ROAD)
    assert counts(ROAD, nothing)["missed"] == 1
    assert counts(nothing, nothing)["roads"] == 0


def test_pixels_without_label_are_left_out():
    valid = np.ones_like(ROAD)
    valid[:, 20:40] = False
    assert counts(ROAD, lines((30, slice(0, 20)), (30, slice(40, 60))), valid=valid)["broken"] == 0


def test_shapes_must_agree():
    with pytest.raises(DataError, match="one shape"):
        connectivity_counts(ROAD, ROAD[:9])

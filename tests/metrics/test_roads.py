import math

import numpy as np
import pytest

from overland.errors import UsageError
from overland.legend import legend_from_names
from overland.metrics.roads import RoadCounts, road_counts_for

ROAD = np.zeros((40, 40), np.uint8)
ROAD[20] = 1
HALF = ROAD.copy()
HALF[:, 20:] = 0


def scores(*pairs):
    counts = RoadCounts()
    for target, mask in pairs:
        counts.add(target, mask, 255)
    return counts.scores()


def test_images_are_pooled():
    pooled = scores((ROAD, ROAD), (ROAD, HALF))
    assert pooled["averaging"] == "pooled"
    assert pooled["relaxed_precision_3px"] == 1
    # Three more pixels lie near the end of the half.
    assert pooled["relaxed_recall_3px"] == (40 + 23) / 80
    assert pooled["cldice"] == pytest.approx(2 * 0.75 / 1.75)
    assert (pooled["components_truth"], pooled["components_prediction"], pooled["roads"]) == (2, 2, 2)
    assert (pooled["broken"], pooled["missed"]) == (0, 0)


def test_counts_do_not_leak_from_one_evaluation_to_the_next():
    assert scores((ROAD, ROAD))["roads"] == scores((ROAD, ROAD))["roads"] == 1


def test_what_does_not_exist_is_nan():
    nothing = scores((0 * ROAD, 0 * ROAD))
    assert all(math.isnan(nothing[key]) for key in ("relaxed_precision_3px", "cldice", "broken", "missed"))
    assert scores((ROAD, 0 * ROAD))["cldice"] == 0


def test_pixels_without_label_are_left_out():
    target = ROAD.copy()
    target[:, 20:] = 255
    assert scores((target, ROAD))["relaxed_precision_3px"] == 1


def test_roads_are_one_class_on_a_background():
    with pytest.raises(UsageError, match="these are 3"):
        road_counts_for(legend_from_names(["background", "road", "river"]))


def test_scores_give_the_break_even_of_all_images():
    counts = RoadCounts()
    for _ in range(2):
        counts.add(ROAD, ROAD, 255, 0.7 * ROAD)

    assert counts.scores()["relaxed_break_even_3px"] == 1
    assert 0 < counts.scores()["relaxed_break_even_3px_threshold"] <= 0.7
    assert "relaxed_break_even_3px" not in scores((ROAD, ROAD))

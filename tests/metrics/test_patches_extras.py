import numpy as np
import pytest

from overland.errors import UsageError
from overland.legend import legend_from_names
from overland.metrics.patches import EXTRA_SCORES, extra_counts_for

ROADS = legend_from_names(["background", "road"])
LAND = legend_from_names(["field", "forest", "water"])


def test_nothing_is_counted_unasked():
    assert extra_counts_for(ROADS) == {}


def test_all_that_is_asked_for_is_counted():
    counts = extra_counts_for(ROADS, roads=True, boundary="2%", patches=16)
    road = np.zeros((32, 32), np.uint8)
    road[10:20] = 1
    for count in counts.values():
        count.add(road, road, 255, road.astype(np.float32))

    assert tuple(counts) == EXTRA_SCORES
    scores = {name: count.scores() for name, count in counts.items()}
    assert scores["roads"]["relaxed_break_even_3px"] == scores["boundary"]["iou"] == 1
    assert scores["patches"]["from_mask"]["f1"] == scores["patches"]["from_probabilities"]["f1"] == 1
    assert all(score["averaging"] == "pooled" for score in scores.values())


def test_many_classes_have_outlines_but_no_roads_and_no_patches():
    assert list(extra_counts_for(LAND, boundary=3)) == ["boundary"]
    for wish in ({"roads": True}, {"patches": 16}):
        with pytest.raises(UsageError, match="these are 3"):
            extra_counts_for(LAND, **wish)

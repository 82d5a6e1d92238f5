from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import shapely

from overland.vector.roads.build import add_probabilities
from overland.vector.roads.skeleton import plan_row_blocks


def sampled(scores, line, band_rows=None):
    graph = nx.MultiGraph()
    graph.add_edge(0, 1, geometry=shapely.LineString(line))
    bands = plan_row_blocks(*scores.shape, band_rows)
    add_probabilities(graph, lambda window: scores[window.slices], scores.shape, bands)
    [(_, _, data)] = graph.edges(data=True)
    return data["mean_p"], data["min_p"]


@pytest.mark.parametrize("band_rows", [None, 3])
def test_mean_and_least_score_under_the_line(band_rows):
    scores = np.full((20, 20), 0.8)
    scores[:, 10] = 0.2
    mean, least = sampled(scores, [(0.5, 0.5), (19.5, 19.5)], band_rows)
    assert least == 0.2
    assert mean == pytest.approx(0.77, abs=0.01)


def test_pixels_without_data_do_not_count():
    scores = np.full((20, 20), np.nan)
    assert np.isnan(sampled(scores, [(0.5, 0.5), (9.5, 0.5)])).all()
    scores[0, 5:] = 0.5
    assert sampled(scores, [(0.5, 0.5), (9.5, 0.5)]) == (0.5, 0.5)


def test_the_far_border_of_the_scene_is_its_last_pixel():
    assert sampled(np.full((20, 20), 0.5), [(0, 20), (20, 20)]) == (0.5, 0.5)

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import shapely

from overland.geo.grid import iter_row_windows
from overland.vector.roads.finish import add_probabilities


def sampled(probabilities, line, block_rows=None):
    graph = nx.MultiGraph()
    graph.add_edge(0, 1, geometry=shapely.LineString(line))
    blocks = list(iter_row_windows(*probabilities.shape, block_rows))
    add_probabilities(graph, lambda window: probabilities[window.slices], probabilities.shape, blocks)
    [(_, _, data)] = graph.edges(data=True)
    return data["mean_p"], data["min_p"]


@pytest.mark.parametrize("block_rows", [None, 3])
def test_mean_and_least_score_under_the_line(block_rows):
    probabilities = np.full((20, 20), 0.8)
    probabilities[:, 10] = 0.2
    mean, least = sampled(probabilities, [(0.5, 0.5), (19.5, 19.5)], block_rows)
    assert least == 0.2
    assert mean == pytest.approx(0.77, abs=0.01)


def test_pixels_without_data_do_not_count():
    probabilities = np.full((20, 20), np.nan)
    assert np.isnan(sampled(probabilities, [(0.5, 0.5), (9.5, 0.5)])).all()
    probabilities[0, 5:] = 0.5
    assert sampled(probabilities, [(0.5, 0.5), (9.5, 0.5)]) == (0.5, 0.5)


def test_the_far_border_of_the_scene_is_its_last_pixel():
    assert sampled(np.full((20, 20), 0.5), [(0, 20), (20, 20)]) == (0.5, 0.5)

from __future__ import annotations

import numpy as np
import pytest
import shapely

from overland.vector.roads.finish import line_from_path


def path_of(points, half_width=3.0):
    return np.column_stack([np.array(points, dtype=float), np.full(len(points), half_width)])


def test_pixel_steps_become_a_straight_line():
    steps = [(x, x // 3) for x in range(91)]
    line = line_from_path(path_of(steps), pixel_m=1, simplify_m=1)
    assert line.length == pytest.approx(np.hypot(90, 30), rel=0.005)
    assert len(line.coords) <= 3


def test_the_ends_stay():
    line = line_from_path(path_of([(0, 0), (5, 1), (9, 7)]), pixel_m=1, simplify_m=0.5)
    assert (line.coords[0], line.coords[-1]) == ((0, 0), (9, 7))


def test_a_curve_is_not_cut_short():
    angles = np.linspace(0, np.pi, 200)
    line = line_from_path(path_of(np.column_stack([40 * np.cos(angles), 40 * np.sin(angles)])), pixel_m=1, simplify_m=1)
    assert (
        line.hausdorff_distance(shapely.Point(0, 0).buffer(40).exterior.intersection(shapely.box(-41, 0, 41, 41))) < 1.5
    )


def test_a_free_ring_is_smooth_where_it_closes():
    angles = np.linspace(0, 2 * np.pi, 300)
    ring = np.column_stack([30 * np.cos(angles), 30 * np.sin(angles)])
    line = line_from_path(path_of(ring), pixel_m=1, simplify_m=0.2, is_ring=True)
    assert line.is_closed
    assert np.hypot(*line.coords[0]) == pytest.approx(30, abs=0.3)


@pytest.mark.parametrize("points", [[(0, 0), (0.5, 0)], [(0, 0), (1, 0), (1, 1)]])
def test_the_shortest_paths_are_lines_too(points):
    line = line_from_path(path_of(points), pixel_m=1, simplify_m=1)
    assert line.coords[0] == points[0]
    assert line.coords[-1] == points[-1]

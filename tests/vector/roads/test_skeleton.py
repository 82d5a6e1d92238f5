from __future__ import annotations

import numpy as np
import pytest

from drawn_roads import mask_from_lines
from overland.cleaning.components import bitmask_from_array
from overland.geo.grid import iter_row_windows
from overland.vector.roads.skeleton import centerlines_from_mask


def centerlines(mask, pixel_size_m=(1, 1), block_rows=None):
    return centerlines_from_mask(
        bitmask_from_array(mask), list(iter_row_windows(*mask.shape, block_rows)), pixel_size_m=pixel_size_m
    )


@pytest.mark.parametrize("width", [4, 5, 12])
def test_half_widths_are_those_of_the_road(width):
    mask = mask_from_lines([[(-10, 100), (210, 100)]], width=width)
    lines = centerlines(mask, (0.5, 0.5))
    assert np.median(lines.half_widths_m) == pytest.approx(width / 4, abs=0.25)


def test_the_skeleton_does_not_fork_at_the_border():
    mask = mask_from_lines([[(-10, 100), (210, 100)]], width=21)
    lines = centerlines(mask)
    assert np.array_equal(np.sort(lines.cols), np.arange(200))
    assert np.unique(lines.rows).size == 1


def test_a_mask_without_an_edge_has_a_finite_width():
    lines = centerlines(np.ones((30, 40), dtype=bool))
    assert np.isfinite(lines.half_widths_m).all()

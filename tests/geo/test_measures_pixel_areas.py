from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from overland.geo import Grid, Window
from overland.geo.measures import areas_m2, pixel_areas_m2, pixels_to_map

GRIDS = [
    Grid(height=200, width=100, transform=Affine(0.001, 0, 15, 0, -0.001, 60), crs="EPSG:4326"),
    Grid(height=200, width=100, transform=Affine(0.01, 0, -60, 0, 0.01, -35), crs="EPSG:4326"),
    Grid(height=200, width=100, transform=Affine(30, 0, 1_700_000, 0, -30, 8_400_000), crs="EPSG:3857"),
    Grid(height=200, width=100, transform=Affine(2, 0, 980_000, 0, -2, 200_000), crs="EPSG:2263"),
    Grid(height=200, width=100, transform=Affine(0.5, 0.1, 500_000, 0.1, -0.5, 5_200_000), crs="EPSG:32633"),
    Grid(height=200, width=100, transform=Affine(8e-6, 3e-6, 15, 2e-6, -5e-6, 60), crs="EPSG:4326"),
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_pixels_add_up_to_the_outline(grid):
    window = Window(col_off=10, row_off=20, width=80, height=150)
    outline = shapely.segmentize(shapely.box(10, 20, 90, 170), 0.5)
    whole = areas_m2(pixels_to_map(np.array([outline]), grid), grid.crs)[0]
    assert pixel_areas_m2(grid, window).sum() * 80 == pytest.approx(whole, rel=2e-6)


def test_without_a_crs_a_pixel_is_one():
    assert pixel_areas_m2(Grid(height=5, width=5), Window(col_off=1, row_off=1, width=3, height=3)).tolist() == [
        1,
        1,
        1,
    ]

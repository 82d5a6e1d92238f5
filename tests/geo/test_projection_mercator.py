from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from overland.geo.projection import lines_to_picture, mercator_grid, warped
from overland.raster import Grid
from scenes import utm_grid


def test_each_pixel_comes_from_its_place() -> None:
    grid = utm_grid(300, 400, resolution_m=2.0)
    mercator = mercator_grid(grid, 1)
    height, width = mercator.shape
    back = Transformer.from_crs("EPSG:3857", grid.crs, always_xy=True)
    for row, col in ((0, 0), (height // 2, width // 3), (height - 1, width - 1)):
        x = mercator.left + (col + 0.5) * mercator.resolution
        y = mercator.top - (row + 0.5) * mercator.resolution
        east, north = back.transform(x, y)
        assert mercator.cols[row, col] == pytest.approx((east - 500_000) / 2, abs=0.01)
        assert mercator.rows[row, col] == pytest.approx((5_200_000 - north) / 2, abs=0.01)
    assert mercator.metres_per_pixel == pytest.approx(2.0, rel=0.02)


def test_far_across_zones_it_stays_exact() -> None:
    # 100 km wide and 3 degrees off the central meridian, where the grid is bent most.
    grid = Grid(500, 1000, Affine(100, 0, 700_000, 0, -100, 6_500_000), "EPSG:32633")
    mercator = mercator_grid(grid, 1)
    row, col = mercator.shape[0] // 2 + 7, mercator.shape[1] // 2 + 5
    back = Transformer.from_crs("EPSG:3857", grid.crs, always_xy=True)
    east, _ = back.transform(
        mercator.left + (col + 0.5) * mercator.resolution, mercator.top - (row + 0.5) * mercator.resolution
    )
    assert mercator.cols[row, col] == pytest.approx((east - 700_000) / 100, abs=0.05)


def test_what_lies_outside_is_transparent() -> None:
    grid = Grid(64, 64, Affine(10, 4, 500_000, 4, -10, 5_200_000), "EPSG:32633")
    picture = np.full((64, 64, 3), 200, np.uint8)
    result = warped(picture, mercator_grid(grid, 1))
    assert result[0, 0, 3] == 0
    assert set(np.unique(result[..., 3])) == {0, 255}
    assert (result[result[..., 3] > 0][:, :3] == 200).all()


def test_lines_lie_on_the_picture() -> None:
    grid = utm_grid(300, 400)
    mercator = mercator_grid(grid, 1)
    line = np.array([[500_100.0, 5_199_900.0], [500_300.0, 5_199_800.0]])
    (moved,) = lines_to_picture([line], grid.crs, mercator)
    rows, cols = moved[:, 1].astype(int), moved[:, 0].astype(int)
    assert np.allclose(mercator.cols[rows, cols], [100, 300], atol=1.5)
    assert np.allclose(mercator.rows[rows, cols], [100, 200], atol=1.5)


def test_degrees() -> None:
    grid = Grid(100, 100, Affine(0.001, 0, 10, 0, -0.001, 60), "EPSG:4326")
    mercator = mercator_grid(grid, 1)
    assert mercator.left == pytest.approx(math.radians(10) * 6378137)

"""Pictures of a scene on a web map."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from overland.errors import DataError
from overland.geo import Grid
from overland.geo.measures import segment_lengths_m
from overland.raster.tiles import MercatorGrid, lines_to_picture, mercator_grid, warped
from scenes import utm_grid


def places(grid: Grid, mercator: MercatorGrid) -> np.ndarray:
    """A picture whose colours are the column and the row of each pixel, warped: (height, width, 4)."""
    rows, cols = np.indices((mercator.source.height, mercator.source.width))
    picture = np.dstack([cols // 256, cols % 256, rows]).astype(np.uint8)
    return warped(picture, mercator)


def test_each_pixel_comes_from_its_place() -> None:
    grid = utm_grid(200, 400, resolution_m=2.0)
    mercator = mercator_grid(grid, 1)
    height, width = mercator.shape
    picture = places(grid, mercator)
    back = Transformer.from_crs("EPSG:3857", grid.crs, always_xy=True)
    for row, col in ((height // 4, width // 4), (height // 2, width // 3), (3 * height // 4, 3 * width // 4)):
        x = mercator.left + (col + 0.5) * mercator.resolution
        y = mercator.top - (row + 0.5) * mercator.resolution
        east, north = back.transform(x, y)
        high, low, found_row, alpha = picture[row, col].tolist()
        assert high * 256 + low == pytest.approx((east - 500_000) / 2, abs=1.2)
        assert found_row == pytest.approx((5_200_000 - north) / 2, abs=1.2)
        assert alpha == 255
    assert mercator.metres_per_pixel == pytest.approx(2.0, rel=0.02)


def test_far_across_zones_it_stays_exact() -> None:
    # 100 km wide and 3 degrees off the central meridian, where the grid is bent most.
    grid = Grid(height=250, width=1000, transform=Affine(100, 0, 700_000, 0, -100, 6_500_000), crs="EPSG:32633")
    mercator = mercator_grid(grid, 1)
    row, col = mercator.shape[0] // 2 + 7, mercator.shape[1] // 2 + 5
    back = Transformer.from_crs("EPSG:3857", grid.crs, always_xy=True)
    east, north = back.transform(
        mercator.left + (col + 0.5) * mercator.resolution, mercator.top - (row + 0.5) * mercator.resolution
    )
    high, low, found_row, _ = places(grid, mercator)[row, col].tolist()
    assert high * 256 + low + 0.5 == pytest.approx((east - 700_000) / 100, abs=0.7)
    assert found_row + 0.5 == pytest.approx((6_500_000 - north) / 100, abs=0.7)


def test_what_lies_outside_is_transparent() -> None:
    grid = Grid(height=64, width=64, transform=Affine(10, 4, 500_000, 4, -10, 5_200_000), crs="EPSG:32633")
    picture = np.full((64, 64, 3), 200, np.uint8)
    result = warped(picture, mercator_grid(grid, 1))
    assert result[0, 0, 3] == 0
    assert set(np.unique(result[..., 3])) == {0, 255}
    assert (result[result[..., 3] > 0][:, :3] == 200).all()


def test_transparent_pixels_stay_so() -> None:
    grid = utm_grid(64, 64)
    picture = np.full((64, 64, 4), 200, np.uint8)
    picture[:, :32, 3] = 0
    result = warped(picture, mercator_grid(grid, 1))
    middle = result[result.shape[0] // 2]
    assert middle[len(middle) // 4, 3] == 0
    assert middle[3 * len(middle) // 4].tolist() == [200, 200, 200, 200]


def test_a_reduced_picture_has_larger_pixels() -> None:
    grid = utm_grid(300, 401)
    whole, reduced = mercator_grid(grid, 1), mercator_grid(grid, 4)
    assert (reduced.source.height, reduced.source.width) == (75, 101)
    assert reduced.resolution == pytest.approx(4 * whole.resolution, rel=0.02)
    assert (reduced.left, reduced.top) == pytest.approx((whole.left, whole.top), abs=2 * reduced.resolution)


def test_lines_lie_on_the_picture() -> None:
    grid = utm_grid(200, 400)
    mercator = mercator_grid(grid, 1)
    line = np.array([[500_100.0, 5_199_950.0], [500_300.0, 5_199_900.0]])
    (moved,) = lines_to_picture([line], grid.crs, mercator)
    picture = places(grid, mercator).astype(int)
    rows, cols = moved[:, 1].astype(int), moved[:, 0].astype(int)
    step = grid.pixel_size.width
    assert np.allclose(picture[rows, cols, 0] * 256 + picture[rows, cols, 1], np.array([100, 300]) / step, atol=1.5)
    assert np.allclose(picture[rows, cols, 2], np.array([50, 100]) / step, atol=1.5)


def test_degrees() -> None:
    grid = Grid(height=100, width=100, transform=Affine(0.001, 0, 10, 0, -0.001, 60), crs="EPSG:4326")
    mercator = mercator_grid(grid, 1)
    assert mercator.left == pytest.approx(math.radians(10) * 6378137, abs=1)
    middle = mercator.left + mercator.resolution * mercator.width / 2, 8_389_000.0
    start, step = np.array([middle]), np.array([[mercator.resolution, 0]])
    ground = segment_lengths_m(start, start + step, "EPSG:3857")
    assert mercator.metres_per_pixel == pytest.approx(ground[0], rel=0.01)


@pytest.mark.parametrize("crs", ["EPSG:3031", 'LOCAL_CS["site",UNIT["metre",1]]'])
def test_places_without_a_web_map_are_refused(crs: str) -> None:
    grid = Grid(height=100, width=100, transform=Affine(10, 0, -500, 0, -10, 500), crs=crs)
    if crs == "EPSG:3031":
        grid = Grid(height=100, width=100, transform=Affine(10, 0, 0, 0, -10, 0), crs=crs)
    with pytest.raises(DataError, match="web map|cannot be brought"):
        mercator_grid(grid, 1)

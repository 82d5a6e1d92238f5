from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from overland.errors import DataError
from overland.raster import Grid, write_class_map
from overland.raster.tiles import read_class_tile, tile_bounds, web_extent
from scenes import ROAD_LEGEND

_WORLD_M = 2 * math.pi * 6_378_137


def _tile_map(path: Path, z: int, x: int, y: int) -> np.ndarray:
    """A map that is exactly one tile."""
    left, _, right, top = tile_bounds(z, x, y)
    size = (right - left) / 256
    mask = np.random.default_rng(0).integers(0, 2, (256, 256), dtype=np.uint8)
    write_class_map(
        path,
        mask,
        Grid(height=256, width=256, transform=Affine(size, 0, left, 0, -size, top), crs="EPSG:3857"),
        ROAD_LEGEND,
    )
    return mask


def test_bounds_are_those_of_the_web() -> None:
    half = _WORLD_M / 2
    assert tile_bounds(0, 0, 0) == pytest.approx((-half, -half, half, half))
    assert tile_bounds(1, 1, 0) == pytest.approx((0, 0, half, half))


@pytest.mark.parametrize("tile", [(0, 1, 0), (-1, 0, 0), (3, 8, 0), (3, 0, -1), (99, 0, 0)])
def test_tile_that_does_not_exist(tile: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="There is no tile"):
        tile_bounds(*tile)


def test_a_map_that_is_a_tile_is_read_as_it_is(tmp_path: Path) -> None:
    mask = _tile_map(tmp_path / "map.tif", 15, 17_000, 11_000)
    assert np.array_equal(read_class_tile(tmp_path / "map.tif", 15, 17_000, 11_000), mask)


def test_its_children_have_its_quarters(tmp_path: Path) -> None:
    mask = _tile_map(tmp_path / "map.tif", 15, 17_000, 11_000)
    child = read_class_tile(tmp_path / "map.tif", 16, 34_001, 22_000)
    assert np.array_equal(child, mask[:128, 128:].repeat(2, axis=0).repeat(2, axis=1))


def test_a_tile_beside_the_map_holds_nothing(tmp_path: Path) -> None:
    _tile_map(tmp_path / "map.tif", 15, 17_000, 11_000)
    assert (read_class_tile(tmp_path / "map.tif", 15, 17_002, 11_000) == 255).all()


def test_extent_and_zooms(tmp_path: Path) -> None:
    _tile_map(tmp_path / "map.tif", 15, 17_000, 11_000)
    (west, south, east, north), widest, finest = web_extent(tmp_path / "map.tif")
    assert (west, east) == pytest.approx((17_000 / 2**15 * 360 - 180, 17_001 / 2**15 * 360 - 180))
    assert south < north
    assert widest in (14, 15)
    assert finest in (15, 16)


def test_map_without_a_place(tmp_path: Path) -> None:
    write_class_map(tmp_path / "map.tif", np.zeros((8, 8), np.uint8), Grid(height=8, width=8), ROAD_LEGEND)
    with pytest.raises(DataError, match="has no CRS"):
        read_class_tile(tmp_path / "map.tif", 0, 0, 0)

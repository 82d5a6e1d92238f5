import numpy as np
import pytest

from overland.inference.resample import AxisResampling, KeptValid, ResampledScene, Resampling, resample
from overland.raster import Window, open_scene
from scenes import utm_grid, write_image

RNG = np.random.default_rng(6)


@pytest.fixture
def scene(tmp_path):
    path = write_image(tmp_path / "s.tif", RNG.integers(0, 255, (3, 70, 90), dtype=np.uint8), utm_grid(70, 90, 0.5))
    with open_scene(path, nodata=0) as scene:
        yield scene


def halved(scene, on_read=None):
    return ResampledScene(scene, Resampling(AxisResampling(70, 35), AxisResampling(90, 45)), on_read)


def test_the_new_pixels_lie_on_the_same_ground(scene):
    grid = halved(scene).grid
    assert (grid.height, grid.width, grid.resolution_m) == (35, 45, 1.0)
    assert grid.bounds == scene.grid.bounds
    assert grid.crs == scene.grid.crs


def test_pixels_are_means_rounded_to_the_type_of_the_file(scene):
    pixels, valid = halved(scene).read(Window(col_off=5, row_off=4, width=12, height=10), (3, 1))
    stored = scene.read(Window(col_off=10, row_off=8, width=24, height=20), (3, 1))[0].astype(float)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.rint(stored.reshape(2, 10, 2, 12, 2).mean(axis=(2, 4))))
    assert valid.all()


def test_a_window_read_in_pieces_is_that_read_at_once(scene, monkeypatch):
    monkeypatch.setattr("overland.inference.resample._ROWS", 7)
    blocks = halved(scene).read(Window(col_off=3, row_off=2, width=40, height=30), (1, 2, 3))[0]
    seen = halved(scene).resampling.needed(Window(col_off=3, row_off=2, width=40, height=30))
    whole, _ = resample(
        halved(scene).resampling, Window(col_off=3, row_off=2, width=40, height=30), *scene.read(seen, (1, 2, 3)), seen
    )
    np.testing.assert_array_equal(blocks, np.rint(whole))


def test_what_holds_data_is_told_as_it_is_read_and_kept_until_it_is_taken(scene):
    kept = KeptValid(Window(col_off=20, row_off=10, width=30, height=40))
    halved(scene, kept.keep).read(Window(col_off=5, row_off=0, width=30, height=35), (1,))
    expected = scene.read(None, (1,))[1]
    np.testing.assert_array_equal(kept.take(10, 30), expected[10:30, 20:50])
    np.testing.assert_array_equal(kept.take(30, 50), expected[30:50, 20:50])
    with pytest.raises(KeyError):
        kept.take(10, 11)


def test_blocks_are_about_those_of_the_file(scene):
    rows, cols = scene.block_shape
    assert halved(scene).block_shape == (max(1, rows // 2), cols // 2)

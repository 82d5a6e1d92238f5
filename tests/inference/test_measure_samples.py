import numpy as np
import pytest

from models_made import threshold_bundle
from overland.errors import DataError
from overland.inference.measure import sample_chips
from overland.raster import Grid, create_raster
from scenes import write_image


def numbered(path, height, width):
    """Each pixel holds its own number, so that a chip tells where it was cut."""
    return write_image(path, np.arange(height * width, dtype=np.float32).reshape(1, height, width))


@pytest.fixture
def bundle(tmp_path):
    return threshold_bundle(tmp_path / "m", dtype="float32")


def test_chips_do_not_overlap_and_are_the_same_every_time(bundle, tmp_path):
    scene = numbered(tmp_path / "a.tif", 100, 150)
    chips = sample_chips(bundle, [scene], side=32, count=99)
    again = sample_chips(bundle, [scene], side=32, count=99)
    assert len(chips) == 3 * 4
    seen = np.concatenate([pixels.ravel() for pixels, _ in chips])
    assert len(np.unique(seen)) == len(seen)
    for one, other in zip(chips, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_chips_are_spread_over_the_scenes(bundle, tmp_path):
    scenes = [numbered(tmp_path / f"{number}.tif", 64 + number, 64) for number in range(5)]
    assert len(sample_chips(bundle, scenes, side=32, count=5)) == 5
    assert len(sample_chips(bundle, scenes, side=32, count=7)) == 7
    first, last = sample_chips(bundle, scenes, side=64, count=2)
    np.testing.assert_array_equal(first[0], sample_chips(bundle, scenes[:1], side=64, count=1)[0][0])
    np.testing.assert_array_equal(last[0], sample_chips(bundle, scenes[4:], side=64, count=1)[0][0])


def test_a_small_scene_is_filled_up_by_reflection(bundle, tmp_path):
    ((pixels, valid),) = sample_chips(bundle, [numbered(tmp_path / "a.tif", 10, 12)], side=64, count=9)
    assert pixels.shape == (1, 64, 64)
    assert valid.all()
    assert set(np.unique(pixels)) == set(range(120))


def test_windows_without_data_are_left_out(bundle, tmp_path):
    grid = Grid(height=64, width=96)
    with create_raster(tmp_path / "a.tif", grid, dtype="float32", nodata=-9999.0) as writer:
        image = np.full((64, 96), -9999, np.float32)
        image[:, 64:] = 5
        writer.write(image, grid.window)
    chips = sample_chips(bundle, [tmp_path / "a.tif"], side=32, count=9)
    assert len(chips) == 2
    assert all((pixels == 5).all() and valid.all() for pixels, valid in chips)


def test_a_scene_that_does_not_fit_the_model_is_refused(bundle, tmp_path):
    scene = write_image(tmp_path / "a.tif", np.zeros((1, 32, 32), np.uint8))
    with pytest.raises(DataError, match="trained on 1 band .* of float32"):
        sample_chips(bundle, [scene], side=32, count=1)

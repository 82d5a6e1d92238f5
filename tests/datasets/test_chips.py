import numpy as np
import pytest

from scenes import ROAD_LEGEND, utm_grid, write_image, write_road_dataset

pytest.importorskip("cv2")

from overland.datasets import chips, read_dataset
from overland.datasets.augment import Augmentation
from overland.datasets.chips import ChipCutter, ChipSettings, band_statistics, validation_windows
from overland.errors import DataError
from overland.raster import write_class_map


@pytest.fixture
def dataset(tmp_path):
    return read_dataset(write_road_dataset(tmp_path, side=96))


def cutter(dataset, **options):
    statistics = band_statistics(dataset, "train")
    return ChipCutter(dataset, "train", ChipSettings(**{"size": 32, **options}), statistics)


def test_an_epoch_covers_the_images_once(dataset):
    assert len(cutter(dataset)) == 4 * 9


def test_a_chip_depends_on_seed_epoch_and_index_alone(dataset):
    augmentation = Augmentation(fliplr=True, flipud=True, rotate=180, scale=1.5, color=0.2)
    first, second = cutter(dataset, augmentation=augmentation), cutter(dataset, augmentation=augmentation)
    first.cut(0, 5)
    for one, other in zip(first.cut(3, 7), second.cut(3, 7), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first.cut(3, 7)[0], first.cut(4, 7)[0])
    assert not np.array_equal(first.cut(3, 7)[0], cutter(dataset, augmentation=augmentation, seed=1).cut(3, 7)[0])


def test_chips_of_one_image_lie_elsewhere_in_every_epoch(tmp_path):
    # With one image the order of the chips changes nothing, so that only the epoch in a chip's own seed can.
    one = cutter(read_dataset(write_road_dataset(tmp_path, train=1, val=1, side=96)))
    assert len(one) == 9
    for index in range(len(one)):
        assert not np.array_equal(one.cut(0, index)[0], one.cut(1, index)[0])


def test_every_image_is_seen_in_every_epoch(dataset):
    # Chips as large as the images: one of each, told apart by their masks.
    whole = cutter(dataset, size=96)
    seen = {whole.cut(epoch, index)[1].tobytes() for epoch in (0,) for index in range(len(whole))}
    assert len(seen) == 4


def test_chips_are_scaled(dataset):
    whole = cutter(dataset, size=96)
    pixels = np.concatenate([whole.cut(0, index)[0].reshape(3, -1) for index in range(4)], axis=1)
    np.testing.assert_allclose(pixels.mean(axis=1), 0, atol=1e-3)
    np.testing.assert_allclose(pixels.std(axis=1), 1, atol=1e-3)


def test_a_large_scene_read_by_windows_gives_the_same_chips(dataset, monkeypatch):
    augmentation = Augmentation(rotate=40, scale=1.2)
    expected = [cutter(dataset, augmentation=augmentation).cut(1, index) for index in range(6)]
    monkeypatch.setattr(chips, "_WHOLE_IMAGE_PIXELS", 1)
    for index, (chip, target) in enumerate(expected):
        found, ids = cutter(dataset, augmentation=augmentation).cut(1, index)
        # Where a chip reaches beyond the scene, both are mirrored at the same border.
        np.testing.assert_allclose(found, chip, atol=0.02)
        np.testing.assert_array_equal(ids, target)


def test_statistics_leave_nodata_out_and_keep_a_constant_band_finite(tmp_path):
    image = np.zeros((2, 16, 16), np.uint16)
    image[0, :8], image[1] = 1000, 7
    grid = utm_grid(16, 16)
    for name in ("a", "b"):
        write_image(tmp_path / "images" / f"{name}.tif", image, grid)
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask = (np.arange(256).reshape(16, 16) % 2).astype(np.uint8)
        write_class_map(tmp_path / "masks" / f"{name}.tif", mask, grid, ROAD_LEGEND)
    statistics = band_statistics(read_dataset(tmp_path), "train")
    assert statistics.mean == (500, 7)
    assert statistics.std == (500, 1)
    assert statistics.dtype == "uint16"


def test_images_of_different_kinds_are_refused(dataset, tmp_path):
    other = write_image(tmp_path / "other.tif", np.zeros((5, 96, 96), np.uint8))
    other.replace(tmp_path / "images" / "train" / "train1.tif")
    with pytest.raises(DataError, match=r"3 bands of uint8.*5 bands of uint8"):
        band_statistics(dataset, "train")


def test_validation_windows_cover_each_image_once(dataset):
    windows = validation_windows(dataset, "val", 40)
    seen = np.zeros((96, 96), int)
    for sample, window in windows:
        if sample.key == windows[0][0].key:
            seen[window.slices] += 1
            assert window.height == window.width == 32
    assert (seen == 1).all()


def test_a_split_without_labels_is_refused(dataset):
    with pytest.raises(DataError, match="no labelled images in split 'test'"):
        validation_windows(dataset, "test", 64)


def test_a_pixel_without_data_enters_as_the_mean(tmp_path):
    image = np.full((1, 32, 32), 10, np.float32)
    image[:, ::2] = 30
    image[:, :8] = np.nan
    mask = (np.arange(1024).reshape(32, 32) % 2).astype(np.uint8)
    for name in ("a", "b"):
        write_image(tmp_path / "images" / f"{name}.tif", image, utm_grid(32, 32))
        (tmp_path / "masks").mkdir(exist_ok=True)
        write_class_map(tmp_path / "masks" / f"{name}.tif", mask, utm_grid(32, 32), ROAD_LEGEND)
    chip, target = cutter(read_dataset(tmp_path), size=32).cut(0, 0)
    assert np.isfinite(chip).all()
    np.testing.assert_allclose(chip[0, :8], 0, atol=1e-6)
    assert (target[:8] == 255).all()
    assert (target[8:] != 255).all()


def test_the_grid_covers_each_image_once_and_pads_its_edges_without_labels(dataset):
    grid = cutter(dataset, size=64, grid=True)
    assert len(grid) == 4 * 4
    targets = [grid.cut(0, index)[1] for index in range(len(grid))]
    assert sum((target != 255).sum() for target in targets) == 4 * 96 * 96
    # The corner chips hold 32 x 32 pixels of the image, and zeros beside it.
    corner = next(index for index, target in enumerate(targets) if (target != 255).sum() == 32 * 32)
    chip, target = grid.cut(0, corner)
    beside = chip[:, target == 255]
    np.testing.assert_allclose(beside, np.broadcast_to(beside[:, :1], beside.shape))


def test_chips_of_the_grid_with_little_foreground_are_left_out(dataset):
    every = cutter(dataset, size=32, grid=True)
    some = cutter(dataset, size=32, grid=True, min_foreground=0.05)
    fractions = [(every.cut(0, index)[1] == 1).mean() for index in range(len(every))]
    assert 0 < len(some) == sum(fraction >= 0.05 for fraction in fractions) < len(every)
    with pytest.raises(DataError, match="Set min_foreground lower"):
        cutter(dataset, size=32, grid=True, min_foreground=0.99)


def test_squashed_images_are_one_chip_each(dataset):
    resized = cutter(dataset, size=32, fixed_size=32, nearest=True)
    assert len(resized) == 4
    whole = cutter(dataset, size=96)
    thinned = {whole.cut(0, index)[1][::3, ::3].tobytes() for index in range(4)}
    assert {resized.cut(0, index)[1].tobytes() for index in range(4)} == thinned

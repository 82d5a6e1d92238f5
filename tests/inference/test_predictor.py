import numpy as np
import pytest

from models_made import made_bundle, mean_bundle, ranking_bundle, threshold_bundle
from overland.bundle import mask_from_scores
from overland.inference import open_engine, plan_windows, predict_array, predict_scene
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, open_scene

RNG = np.random.default_rng(3)


class Counting:
    """An engine that counts its runs."""

    def __init__(self, engine):
        self.engine, self.name, self.shapes = engine, engine.name, []

    def run(self, chips):
        self.shapes.append(chips.shape)
        return self.engine.run(chips)


def all_valid(pixels):
    return np.ones(pixels.shape[1:], bool)


@pytest.mark.parametrize("chip_size", [24, 40, 64, 512])
@pytest.mark.parametrize("height_width", [(100, 90), (33, 200), (5, 7), (1, 1), (1, 130)])
def test_a_constant_image_gives_a_constant_map_edges_and_corners_included(tmp_path, chip_size, height_width):
    # The 5 x 5 mean of zero padding alone would be darker at edges and corners.
    bundle = mean_bundle(tmp_path / "m", side=5, halo=6)
    pixels = np.full((1, *height_width), 130, np.uint8)
    scores = predict_array(bundle, open_engine(bundle), pixels, all_valid(pixels), chip_size=chip_size)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-0.05 * 30)), atol=1e-6)


@pytest.mark.parametrize("chip_size", [16, 24, 56, 200])
def test_a_local_model_gives_the_same_for_every_chip_size(tmp_path, chip_size):
    bundle = ranking_bundle(tmp_path / "m")
    pixels = RNG.integers(0, 255, (3, 150, 110), dtype=np.uint8)
    scores = predict_array(bundle, open_engine(bundle), pixels, all_valid(pixels), chip_size=chip_size)
    np.testing.assert_array_equal(mask_from_scores(bundle, scores), pixels.argmax(axis=0))
    np.testing.assert_allclose(scores.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("chip_size", [24, 40, 96])
def test_windows_give_what_one_window_gives_when_the_halo_covers_what_the_model_sees(tmp_path, chip_size):
    bundle = mean_bundle(tmp_path / "m", side=7, halo=6)
    pixels = RNG.integers(60, 140, (1, 150, 110), dtype=np.uint8)
    engine = open_engine(bundle)
    in_windows = predict_array(bundle, engine, pixels, all_valid(pixels), chip_size=chip_size)
    in_one = predict_array(bundle, engine, pixels, all_valid(pixels), chip_size=512)
    np.testing.assert_allclose(in_windows, in_one, atol=1e-6)


def test_without_a_halo_the_seams_show(tmp_path):
    bundle = mean_bundle(tmp_path / "m", side=7, halo=0)
    pixels = np.full((1, 96, 96), 130, np.uint8)
    scores = predict_array(bundle, open_engine(bundle), pixels, all_valid(pixels), chip_size=32)
    assert np.ptp(scores) > 0.5


def test_all_chips_of_a_raster_have_one_shape(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    engine = Counting(open_engine(bundle))
    pixels = RNG.integers(0, 255, (1, 150, 110), dtype=np.uint8)
    predict_array(bundle, engine, pixels, all_valid(pixels), chip_size=64)
    assert len(engine.shapes) == 3 * 2
    assert len(set(engine.shapes)) == 1


def test_windows_without_data_are_not_computed(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    engine = Counting(open_engine(bundle))
    pixels = RNG.integers(0, 255, (1, 200, 200), dtype=np.uint8)
    valid = np.zeros((200, 200), bool)
    valid[:20, :20] = True
    predict_array(bundle, engine, pixels, valid, chip_size=64)
    assert len(engine.shapes) == 1


@pytest.mark.parametrize("bad", [np.nan, -9999.0, np.inf])
def test_pixels_without_data_count_as_the_mean_of_the_band(tmp_path, bad):
    bundle = mean_bundle(tmp_path / "m", dtype="float32", mean=(20.0,), std=(5.0,), limit=0.0, gain=1.0)
    pixels = np.full((1, 30, 30), 20.0, np.float32)
    pixels[0, 10:14, 10:14] = bad
    valid = np.isfinite(pixels[0]) & (pixels[0] != -9999)
    scores = predict_array(bundle, open_engine(bundle), pixels, valid)
    np.testing.assert_allclose(scores, 0.5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_are_scaled_as_the_bundle_says_whatever_their_type(tmp_path, dtype):
    bundle = made_bundle(
        tmp_path / "m", np.ones((1, 1, 1, 1)), np.zeros(1), dtype=dtype, mean=(50.0,), std=(25.0,), halo=0
    )
    pixels = np.array([[[25, 50, 100]]], dtype)
    scores = predict_array(bundle, open_engine(bundle), pixels, all_valid(pixels))
    np.testing.assert_allclose(scores[0, 0], 1 / (1 + np.exp([1, 0, -2])), atol=1e-6)


def test_five_classes_stay_five(tmp_path):
    legend = legend_from_names([f"c{index}" for index in range(5)])
    bundle = made_bundle(
        tmp_path / "m", np.eye(5).reshape(5, 5, 1, 1), np.zeros(5), legend=legend, activation="softmax"
    )
    pixels = RNG.integers(0, 255, (5, 40, 50), dtype=np.uint8)
    scores = predict_array(bundle, open_engine(bundle), pixels, all_valid(pixels), chip_size=32)
    assert scores.shape == (5, 40, 50)
    assert set(np.unique(scores.argmax(axis=0))) == set(range(5))


@pytest.mark.parametrize(("height", "width", "chip_size"), [(700, 90, 128), (1100, 60, 1536), (513, 40, 64)])
def test_a_scene_streams_by_to_the_same_scores_as_its_array(tmp_path, height, width, chip_size):
    bundle = mean_bundle(tmp_path / "m", side=5)
    pixels = RNG.integers(0, 255, (1, height, width), dtype=np.uint8)
    pixels[0, 300:350, :50] = 0
    with create_raster(tmp_path / "s.tif", Grid(height, width), nodata=0) as writer:
        writer.write(pixels, Grid(height, width).window)
    plan = plan_windows(height, width, chip_size=chip_size, halo=4, divisor=8)
    lots, done = [], []
    with open_scene(tmp_path / "s.tif") as scene:
        predict_scene(bundle, open_engine(bundle), scene, (1,), plan, lambda *lot: lots.append(lot), done.append)

    assert sum(done) == pytest.approx(height * width / 1e6)
    assert all((window.row_end % 512 == 0) or window.row_end == height for window, _, _ in lots)
    assert [window.row_off for window, _, _ in lots] == [0, *(window.row_end for window, _, _ in lots[:-1])]
    valid = np.concatenate([part for _, _, part in lots])
    np.testing.assert_array_equal(valid, pixels[0] != 0)
    scores = np.concatenate([part for _, part, _ in lots], axis=1)
    expected = predict_array(bundle, open_engine(bundle), pixels, valid, chip_size=chip_size)
    np.testing.assert_allclose(scores[:, valid], expected[:, valid], atol=1e-6)


def test_an_error_of_the_writer_stops_the_prediction(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    with create_raster(tmp_path / "s.tif", Grid(600, 40)) as writer:
        writer.write(np.ones((600, 40), np.uint8), Grid(600, 40).window)

    def write(*lot):
        raise OSError("disk full")

    plan = plan_windows(600, 40, chip_size=64, halo=4, divisor=8)
    with open_scene(tmp_path / "s.tif") as scene, pytest.raises(OSError, match="disk full"):
        predict_scene(bundle, open_engine(bundle), scene, (1,), plan, write)

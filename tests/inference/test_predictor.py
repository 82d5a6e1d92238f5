import itertools
import signal
import threading

import numpy as np
import pytest

from models_made import mean_bundle, ranking_bundle, threshold_bundle
from overland.inference import model_classifier, open_engine, plan_windows, predict_array, predict_scene, tta_classifier
from overland.inference.probabilities import mask_from_probabilities
from overland.raster import Grid, Window, create_raster, open_scene

RNG = np.random.default_rng(3)


class Counting:
    """A classifier that keeps the shapes of the chips that it is given."""

    def __init__(self, classifier, workers=2):
        self.classifier, self.num_outputs, self.workers, self.shapes = classifier, classifier.num_outputs, workers, []

    def classify(self, pixels, valid):
        self.shapes.append(pixels.shape)
        return self.classifier.classify(pixels, valid)


class Part:
    """A rectangle of a scene, and a mask of the whole scene that says what is wanted in it."""

    def __init__(self, window, mask=None):
        self.window, self.mask = window, mask

    def inside(self, window):
        return None if self.mask is None else self.mask[window.slices]


def scorer_of(bundle):
    return model_classifier(bundle, open_engine(bundle, "onnx", workers=2))


def all_valid(pixels):
    return np.ones(pixels.shape[1:], bool)


def predicted(classifier, pixels, valid=None, *, chip_size=512, halo=None, offset=(0, 0)):
    valid = all_valid(pixels) if valid is None else valid
    halo = classifier.bundle.halo if halo is None else halo
    plan = plan_windows(*valid.shape, chip_size=chip_size, halo=halo, divisor=8, offset=offset)
    return predict_array(classifier, pixels, valid, plan)


def write_scene(path, pixels, **settings):
    grid = Grid(height=pixels.shape[1], width=pixels.shape[2])
    with create_raster(path, grid, count=len(pixels), dtype=str(pixels.dtype), overwrite=True, **settings) as writer:
        writer.write(pixels, grid.window)
    return path


def streamed(classifier, path, plan, **options):
    """The probabilities and where they are valid, joined from the lots, and the lots' windows."""
    lots, done = [], []
    with open_scene(path) as scene:
        bands = scene.data_bands
        predict_scene(classifier, scene, bands, plan, lambda *lot: lots.append(lot), advance=done.append, **options)
    windows = [window for window, _, _ in lots]
    first_row = options.get("first_row", 0)
    assert [window.row_off for window in windows] == [first_row, *(window.row_end for window in windows[:-1])]
    assert all(window.row_end % 512 == 0 for window in windows[:-1])
    valid = np.concatenate([part for _, _, part in lots])
    assert sum(done) == pytest.approx(valid.size / 1e6)
    return np.concatenate([part for _, part, _ in lots], axis=1), valid, windows


def no_threads_left():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("overland-")]


@pytest.mark.parametrize("chip_size", [24, 40, 64, 512])
@pytest.mark.parametrize("height_width", [(100, 90), (33, 200), (5, 7), (1, 1), (1, 130)])
@pytest.mark.parametrize("offset", [(0, 0), (3, 5)])
def test_a_constant_image_gives_a_constant_map_edges_and_corners_included(tmp_path, chip_size, height_width, offset):
    # The 5 x 5 mean of zero padding alone would be darker at edges and corners.
    classifier = scorer_of(mean_bundle(tmp_path / "m", side=5, halo=6))
    pixels = np.full((1, *height_width), 130, np.uint8)
    if min(height_width) <= 5 and any(offset):
        offset = (0, 0)
    probabilities = predicted(classifier, pixels, chip_size=chip_size, offset=offset)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-0.05 * 30)), atol=1e-6)


@pytest.mark.parametrize("mode", ["flips", "d4"])
@pytest.mark.parametrize("offset", [(0, 0), (7, 12)])
def test_a_constant_image_stays_constant_however_it_is_turned(tmp_path, mode, offset):
    classifier = tta_classifier(scorer_of(mean_bundle(tmp_path / "m", side=5)), mode)
    pixels = np.full((1, 70, 90), 130, np.uint8)
    plan = plan_windows(70, 90, chip_size=40, halo=4, divisor=8, offset=offset)
    probabilities = predict_array(classifier, pixels, all_valid(pixels), plan)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-0.05 * 30)), atol=1e-6)


@pytest.mark.parametrize("chip_size", [16, 24, 56, 200])
def test_a_local_model_gives_the_same_for_every_chip_size(tmp_path, chip_size):
    classifier = scorer_of(ranking_bundle(tmp_path / "m"))
    pixels = RNG.integers(0, 255, (3, 150, 110), dtype=np.uint8)
    probabilities = predicted(classifier, pixels, chip_size=chip_size)
    np.testing.assert_array_equal(mask_from_probabilities(classifier.bundle, probabilities), pixels.argmax(axis=0))
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("chip_size", [24, 40, 96])
@pytest.mark.parametrize("offset", [(0, 0), (4, 8)])
def test_windows_give_what_one_window_gives_when_the_halo_covers_what_the_model_sees(tmp_path, chip_size, offset):
    classifier = scorer_of(mean_bundle(tmp_path / "m", side=7, halo=6))
    pixels = RNG.integers(60, 140, (1, 150, 110), dtype=np.uint8)
    in_windows = predicted(classifier, pixels, chip_size=chip_size, offset=offset if chip_size > 24 else (0, 0))
    np.testing.assert_allclose(in_windows, predicted(classifier, pixels), atol=1e-6)


def test_without_a_halo_the_seams_show(tmp_path):
    classifier = scorer_of(mean_bundle(tmp_path / "m", side=7, halo=0))
    assert np.ptp(predicted(classifier, np.full((1, 96, 96), 130, np.uint8), chip_size=32)) > 0.5


def test_windows_are_those_needed_and_of_one_shape(tmp_path):
    classifier = Counting(scorer_of(threshold_bundle(tmp_path / "m")))
    pixels = RNG.integers(0, 255, (1, 7 * 56, 7 * 56), dtype=np.uint8)
    plan = plan_windows(392, 392, chip_size=64, halo=4, divisor=8)
    predict_array(classifier, pixels, all_valid(pixels), plan)
    assert len(classifier.shapes) == 49
    assert len(set(classifier.shapes)) == 1


def test_windows_without_data_are_not_computed(tmp_path):
    classifier = Counting(scorer_of(threshold_bundle(tmp_path / "m")))
    pixels = RNG.integers(0, 255, (1, 200, 200), dtype=np.uint8)
    valid = np.zeros((200, 200), bool)
    valid[:20, :20] = valid[190:, 100] = True
    predict_array(classifier, pixels, valid, plan_windows(200, 200, chip_size=64, halo=4, divisor=8))
    assert len(classifier.shapes) == 2


@pytest.mark.parametrize("bad", [np.nan, -9999.0])
def test_a_float_scene_with_a_hole_runs_to_the_end_with_finite_scores_around_it(tmp_path, bad):
    bundle = mean_bundle(tmp_path / "m", dtype="float32", mean=(0.2,), std=(0.1,), limit=0.0, gain=1.0)
    pixels = RNG.random((1, 90, 70)).astype(np.float32)
    pixels[0, 20:50, 10:40] = bad
    path = write_scene(tmp_path / "s.tif", pixels, nodata=-9999.0)
    plan = plan_windows(90, 70, chip_size=32, halo=4, divisor=8)
    probabilities, valid, _ = streamed(scorer_of(bundle), path, plan)
    np.testing.assert_array_equal(valid, np.isfinite(pixels[0]) & (pixels[0] != -9999))
    assert np.isfinite(probabilities).all()
    assert ((probabilities > 0) & (probabilities < 1))[:, valid].all()


@pytest.mark.parametrize(("height", "width", "chip_size"), [(700, 90, 128), (1100, 60, 1536), (513, 40, 64)])
def test_a_scene_streams_by_to_the_same_scores_as_its_array(tmp_path, height, width, chip_size):
    classifier = scorer_of(mean_bundle(tmp_path / "m", side=5))
    pixels = RNG.integers(0, 255, (1, height, width), dtype=np.uint8)
    pixels[0, 300:350, :50] = 0
    path = write_scene(tmp_path / "s.tif", pixels, nodata=0)
    plan = plan_windows(height, width, chip_size=chip_size, halo=4, divisor=8)
    probabilities, valid, _ = streamed(classifier, path, plan)
    np.testing.assert_array_equal(valid, pixels[0] != 0)
    np.testing.assert_array_equal(probabilities[:, valid], predict_array(classifier, pixels, valid, plan)[:, valid])


@pytest.fixture
def whole(tmp_path):
    """A classifier, a scene of 1,300 x 500 with a hole, its plan, and the probabilities and valid pixels of all."""
    classifier = Counting(scorer_of(mean_bundle(tmp_path / "m", side=5)))
    pixels = RNG.integers(1, 255, (1, 1300, 500), dtype=np.uint8)
    pixels[0, 600:700, 200:400] = 0
    path = write_scene(tmp_path / "s.tif", pixels, nodata=0)
    plan = plan_windows(1300, 500, chip_size=128, halo=8, divisor=8)
    probabilities, valid, _ = streamed(classifier, path, plan)
    classifier.shapes.clear()
    return classifier, path, plan, probabilities, valid


@pytest.mark.parametrize(
    "window",
    [
        Window(col_off=0, row_off=0, width=500, height=1300),
        Window(col_off=77, row_off=333, width=300, height=700),
        Window(col_off=450, row_off=1200, width=50, height=100),
        Window(col_off=5, row_off=5, width=1, height=1),
    ],
)
def test_a_region_has_the_very_scores_of_the_whole(whole, window):
    classifier, path, plan, probabilities, valid = whole
    part, part_valid, _ = streamed(classifier, path, plan, region=Part(window))
    np.testing.assert_array_equal(part_valid, valid[window.slices])
    np.testing.assert_array_equal(part[:, part_valid], probabilities[:, *window.slices][:, part_valid])
    assert len(classifier.shapes) <= plan.windows_touching(window)


def test_only_windows_that_touch_an_area_are_computed(whole):
    classifier, path, plan, probabilities, valid = whole
    mask = np.zeros((1300, 500), bool)
    mask[400:450, 60:90] = mask[1100:1130, 300:340] = True
    window = Window(col_off=60, row_off=400, width=280, height=730)
    part, part_valid, _ = streamed(classifier, path, plan, region=Part(window, mask))
    np.testing.assert_array_equal(part_valid, (valid & mask)[window.slices])
    np.testing.assert_array_equal(part[:, part_valid], probabilities[:, *window.slices][:, part_valid])
    rows, cols = plan.rows, plan.cols
    touched = len(rows.touching(400, 450)) * len(cols.touching(60, 90))
    touched += len(rows.touching(1100, 1130)) * len(cols.touching(300, 340))
    assert len(classifier.shapes) == touched


@pytest.mark.parametrize("first_row", [512, 1024, 700])
def test_a_run_that_goes_on_gives_the_rest_of_the_very_probabilities(whole, first_row):
    classifier, path, plan, probabilities, valid = whole
    rest, rest_valid, _ = streamed(classifier, path, plan, first_row=first_row)
    np.testing.assert_array_equal(rest_valid, valid[first_row:])
    np.testing.assert_array_equal(rest[:, rest_valid], probabilities[:, first_row:][:, rest_valid])
    touching = plan.windows_touching(Window(col_off=0, row_off=first_row, width=500, height=1300 - first_row))
    assert touching - len(plan.cols.touching(0, 500)) < len(classifier.shapes) <= touching


def test_a_region_goes_on_in_its_own_rows(whole):
    classifier, path, plan, probabilities, valid = whole
    window = Window(col_off=120, row_off=100, width=200, height=1150)
    rest, rest_valid, _ = streamed(classifier, path, plan, region=Part(window), first_row=512)
    rows, cols = slice(612, 1250), slice(120, 320)
    np.testing.assert_array_equal(rest_valid, valid[rows, cols])
    np.testing.assert_array_equal(rest[:, rest_valid], probabilities[:, rows, cols][:, rest_valid])


def test_nothing_is_left_to_do_below_the_last_row(whole):
    classifier, path, plan, _, _ = whole
    with open_scene(path) as scene:
        predict_scene(classifier, scene, (1,), plan, lambda *lot: pytest.fail("a lot"), first_row=1300)
    assert classifier.shapes == []


def test_windows_that_finish_out_of_order_give_the_same_bytes(whole):
    classifier, path, plan, probabilities, valid = whole
    waits = iter(RNG.random(10_000) * 0.004)

    class Uneven(Counting):
        def classify(self, pixels, valid):
            threading.Event().wait(next(waits))
            return super().classify(pixels, valid)

    again, _, _ = streamed(Uneven(classifier.classifier, workers=3), path, plan)
    np.testing.assert_array_equal(again[:, valid], probabilities[:, valid])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_an_array_has_the_same_scores_however_many_windows_are_computed_at_once(tmp_path, workers):
    classifier = scorer_of(mean_bundle(tmp_path / "m", side=5))
    pixels = RNG.integers(0, 255, (1, 150, 110), dtype=np.uint8)
    plan = plan_windows(150, 110, chip_size=64, halo=4, divisor=8)
    expected = predict_array(classifier, pixels, all_valid(pixels), plan)
    np.testing.assert_array_equal(predict_array(classifier, pixels, all_valid(pixels), plan, workers=workers), expected)


def test_no_more_windows_are_in_flight_than_there_are_streams_and_one(whole):
    classifier, path, plan, _, _ = whole
    running, most = [], []

    class Watched(Counting):
        def classify(self, pixels, valid):
            running.append(1)
            most.append(len(running))
            result = super().classify(pixels, valid)
            running.pop()
            return result

    streamed(Watched(classifier.classifier, workers=3), path, plan)
    assert max(most) <= 3
    assert threading.active_count() == 1 or no_threads_left()


class BrokenError(Exception):
    pass


def raising(*arguments):
    raise BrokenError


@pytest.mark.parametrize("place", ["reader", "worker", "writer", "advance", "interrupt"])
def test_an_error_anywhere_stops_all_threads_and_is_raised_once(whole, place, monkeypatch):
    classifier, path, plan, _, _ = whole
    error = KeyboardInterrupt if place == "interrupt" else BrokenError

    def interrupt(amount):
        raise KeyboardInterrupt

    with open_scene(path) as scene:
        reads = []

        def read(window, bands, read=scene.read):
            reads.append(window)
            return raising() if place == "reader" and len(reads) == 2 else read(window, bands)

        monkeypatch.setattr(scene, "read", read)
        if place == "worker":
            classifier.classify = lambda pixels, valid: raising()
        write = raising if place == "writer" else lambda *lot: None
        advance = {"advance": raising, "interrupt": interrupt}.get(place)
        with pytest.raises(error):
            predict_scene(classifier, scene, (1,), plan, write, advance=advance)
    assert no_threads_left()
    assert len(classifier.shapes) < plan.windows


@pytest.fixture
def interruptible():
    """A process that was started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_the_model_works_stops_all_threads(whole):
    classifier, path, plan, _, _ = whole
    numbers = itertools.count(1)

    class Interrupted(Counting):
        def classify(self, pixels, valid):
            if next(numbers) == 3:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return super().classify(pixels, valid)

    classifier = Interrupted(classifier)
    with open_scene(path) as scene, pytest.raises(KeyboardInterrupt):
        predict_scene(classifier, scene, (1,), plan, lambda *lot: None)
    assert no_threads_left()
    assert len(classifier.shapes) < 3 + 2 * classifier.workers + 2


def test_each_row_of_the_file_is_read_once_and_in_whole_blocks(whole, monkeypatch):
    classifier, path, plan, _, _ = whole
    reads = []
    with open_scene(path) as scene:
        monkeypatch.setattr(scene, "read", lambda window, bands, read=scene.read: reads.append(window) or read(window))
        predict_scene(classifier, scene, (1,), plan, lambda *lot: None)
        block_height, _ = scene.block_shape
    assert [window.row_off for window in reads] == [0, *(window.row_end for window in reads[:-1])]
    assert all(window.row_end % block_height == 0 for window in reads[:-1])
    assert reads[-1].row_end == 1300

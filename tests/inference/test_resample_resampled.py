import logging

import numpy as np
import pytest

from models_made import mean_bundle, threshold_bundle
from overland.inference import model_classifier, open_engine, plan_windows
from overland.inference.resample import AxisResampling, ResampledScene, Resampling, predict_resampled, resample
from overland.raster import Window, open_scene
from scenes import utm_grid, write_image

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 1100, 300


@pytest.fixture(params=[(550, 150), (733, 200), (1650, 450), (275, 300)], ids=str)
def resampling(request):
    rows, cols = request.param
    return Resampling(AxisResampling(HEIGHT, rows), AxisResampling(WIDTH, cols))


@pytest.fixture
def scene(tmp_path):
    pixels = RNG.integers(1, 255, (1, HEIGHT, WIDTH), dtype=np.uint8)
    pixels[:, 400:700, 50:120] = 0
    pixels[:, RNG.random((HEIGHT, WIDTH)) < 0.01] = 0
    with open_scene(write_image(tmp_path / "s.tif", pixels, utm_grid(HEIGHT, WIDTH)), nodata=0) as scene:
        yield scene


@pytest.fixture
def classifier(tmp_path):
    bundle = mean_bundle(tmp_path / "m", side=5, halo=8)
    return model_classifier(bundle, open_engine(bundle, "onnx", workers=2))


class Collected:
    def __init__(self, height=HEIGHT, width=WIDTH):
        self.probabilities, self.valid = np.full((height, width), np.nan, np.float32), np.zeros((height, width), bool)
        self.windows = []

    def write(self, window, probabilities, valid):
        self.windows.append(window)
        self.probabilities[window.slices], self.valid[window.slices] = probabilities[0], valid


def predicted(classifier, scene, resampling, *, offset=(0, 0), region=None, first_row=0, advance=None):
    size = resampling.bounds
    plan = plan_windows(size.height, size.width, chip_size=96, halo=8, divisor=8, offset=offset)
    found = Collected() if region is None else Collected(region.window.height, region.window.width)
    predict_resampled(
        classifier,
        scene,
        (1,),
        plan,
        found.write,
        resampling=resampling,
        region=region,
        first_row=first_row,
        advance=advance,
    )
    return found


class Region:
    def __init__(self, window, is_inside=None):
        self.window, self._is_inside = window, is_inside

    def inside(self, window):
        return None if self._is_inside is None else self._is_inside[window.slices]


def test_scores_are_those_of_the_resampled_scene_brought_back(classifier, scene, resampling):
    found = predicted(classifier, scene, resampling)
    size = resampling.bounds
    pixels, covered = ResampledScene(scene, resampling).read(size, (1,))
    coarse = classifier.classify(np.pad(pixels, ((0, 0), (8, 8), (8, 8)), "reflect"), np.pad(covered, 8, "reflect"))
    expected, _ = resample(
        resampling.reversed,
        Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT),
        coarse[:, 8:-8, 8:-8],
        covered,
        size,
    )
    np.testing.assert_array_equal(found.valid, scene.read(None, (1,))[1])
    np.testing.assert_allclose(found.probabilities[found.valid], expected[0][found.valid], atol=2e-6)


def test_rows_leave_in_lots_of_512_from_top_to_bottom(classifier, scene, resampling):
    found = predicted(classifier, scene, resampling)
    assert [(window.row_off, window.height, window.width) for window in found.windows] == [
        (0, 512, WIDTH),
        (512, 512, WIDTH),
        (1024, 76, WIDTH),
    ]


def test_moved_windows_give_the_same_probabilities(classifier, scene, resampling):
    there, moved = predicted(classifier, scene, resampling), predicted(classifier, scene, resampling, offset=(40, 24))
    np.testing.assert_allclose(there.probabilities[there.valid], moved.probabilities[there.valid], atol=2e-6)


@pytest.mark.parametrize(
    "window",
    [
        Window(col_off=5, row_off=3, width=200, height=1000),
        Window(col_off=120, row_off=517, width=33, height=90),
        Window(col_off=0, row_off=1099, width=1, height=1),
    ],
)
def test_a_part_gets_the_very_scores_of_the_whole(classifier, scene, resampling, window):
    whole, part = (
        predicted(classifier, scene, resampling),
        predicted(classifier, scene, resampling, region=Region(window)),
    )
    np.testing.assert_array_equal(part.valid, whole.valid[window.slices])
    np.testing.assert_array_equal(part.probabilities[part.valid], whole.probabilities[window.slices][part.valid])


def test_a_shape_gets_the_very_scores_of_the_whole(classifier, scene, resampling):
    rows, cols = np.ogrid[:HEIGHT, :WIDTH]
    inside = (rows - 500) ** 2 + 9 * (cols - 150) ** 2 < 300**2
    window = Window(col_off=50, row_off=200, width=200, height=600)
    whole = predicted(classifier, scene, resampling)
    part = predicted(classifier, scene, resampling, region=Region(window, inside))
    np.testing.assert_array_equal(part.valid, (whole.valid & inside)[window.slices])
    np.testing.assert_array_equal(part.probabilities[part.valid], whole.probabilities[window.slices][part.valid])


def test_a_run_that_goes_on_gives_the_very_scores_of_one_that_did_not_stop(classifier, scene, resampling):
    whole = predicted(classifier, scene, resampling)
    rest = predicted(
        classifier,
        scene,
        resampling,
        region=Region(Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)),
        first_row=512,
    )
    assert [window.row_off for window in rest.windows] == [512, 1024]
    valid = rest.valid[512:]
    np.testing.assert_array_equal(rest.probabilities[512:][valid], whole.probabilities[512:][valid])
    nothing = predicted(
        classifier,
        scene,
        resampling,
        region=Region(Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)),
        first_row=HEIGHT,
    )
    assert nothing.windows == []


def test_progress_is_in_megapixels_of_the_scene(classifier, scene, resampling):
    done = []
    predicted(classifier, scene, resampling, advance=done.append)
    assert sum(done) == pytest.approx(HEIGHT * WIDTH / 1e6)


def test_an_error_of_the_writer_ends_the_run(classifier, scene, resampling):
    def fail(window, probabilities, valid):
        raise OSError("the disk is full")

    size = resampling.bounds
    plan = plan_windows(size.height, size.width, chip_size=96, halo=8, divisor=8)
    with pytest.raises(OSError, match="the disk is full"):
        predict_resampled(classifier, scene, (1,), plan, fail, resampling=resampling)


def test_what_is_uniform_stays_so_beside_missing_data(tmp_path, resampling, caplog):
    caplog.set_level(logging.ERROR)
    pixels = np.full((1, HEIGHT, WIDTH), 200, np.uint8)
    pixels[:, RNG.random((HEIGHT, WIDTH)) < 0.3] = 0
    bundle = threshold_bundle(tmp_path / "t")
    classifier = model_classifier(bundle, open_engine(bundle, "onnx", workers=1))
    with open_scene(write_image(tmp_path / "u.tif", pixels, utm_grid(HEIGHT, WIDTH)), nodata=0) as scene:
        found = predicted(classifier, scene, resampling)
    np.testing.assert_array_equal(found.valid, pixels[0] > 0)
    np.testing.assert_allclose(found.probabilities[found.valid], 1, atol=1e-6)

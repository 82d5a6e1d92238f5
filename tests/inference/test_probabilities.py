import dataclasses

import numpy as np
import pytest

from models_made import made_bundle, mean_bundle, ranking_bundle, threshold_bundle
from overland.errors import UsageError
from overland.inference import ensemble_classifier, model_classifier, open_engine, tta_classifier
from overland.legend import legend_from_names

RNG = np.random.default_rng(5)


def scorer_of(bundle):
    return model_classifier(bundle, open_engine(bundle, "onnx"))


def all_valid(pixels):
    return np.ones(pixels.shape[1:], bool)


class Echo:
    """Gives the first band back, and what it was shown."""

    num_outputs, workers = 1, 2

    def __init__(self):
        self.shown = []

    def classify(self, pixels, valid):
        self.shown.append((np.array(pixels), np.array(valid)))
        return pixels[:1].astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_are_scaled_as_the_bundle_says_whatever_their_type(tmp_path, dtype):
    bundle = made_bundle(tmp_path / "m", np.ones((1, 1, 1, 1)), np.zeros(1), dtype=dtype, mean=(50.0,), std=(25.0,))
    pixels = np.array([[[25, 50, 100]]], dtype)
    probabilities = scorer_of(bundle).classify(pixels, all_valid(pixels))
    np.testing.assert_allclose(probabilities[0, 0], 1 / (1 + np.exp([1, 0, -2])), atol=1e-6)


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 1), ("uint8", 200), ("uint16", 1), ("uint16", 40_000)])
def test_a_dim_window_is_scaled_like_a_bright_one(tmp_path, dtype, value):
    # A scaling that looks at each window would take 0..1 for reflectance and leave it, and divide the rest by 255.
    bundle = made_bundle(tmp_path / "m", np.ones((1, 1, 1, 1)), np.zeros(1), dtype=dtype, std=(1e4,))
    pixels = np.full((1, 8, 8), value, dtype)
    probabilities = scorer_of(bundle).classify(pixels, all_valid(pixels))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-value / 1e4)), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, -9999.0, np.inf])
def test_pixels_without_data_count_as_the_mean_of_the_band(tmp_path, bad):
    bundle = mean_bundle(tmp_path / "m", dtype="float32", mean=(20.0,), std=(5.0,), limit=0.0, gain=1.0)
    pixels = np.full((1, 30, 30), 20.0, np.float32)
    pixels[0, 10:14, 10:14] = bad
    valid = np.isfinite(pixels[0]) & (pixels[0] != -9999)
    np.testing.assert_allclose(scorer_of(bundle).classify(pixels, valid), 0.5, atol=1e-6)


def test_five_classes_stay_five(tmp_path):
    legend = legend_from_names([f"c{index}" for index in range(5)])
    bundle = made_bundle(
        tmp_path / "m", np.eye(5).reshape(5, 5, 1, 1), np.zeros(5), legend=legend, activation="softmax"
    )
    pixels = RNG.integers(0, 255, (5, 40, 50), dtype=np.uint8)
    probabilities = scorer_of(bundle).classify(pixels, all_valid(pixels))
    assert probabilities.shape == (5, 40, 50)
    np.testing.assert_array_equal(probabilities.argmax(axis=0), pixels.argmax(axis=0))
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_flips_and_turns_show_every_view_once():
    pixels = RNG.integers(0, 255, (2, 6, 6), dtype=np.uint8)
    echo = Echo()
    tta_classifier(echo, "d4").classify(pixels, pixels[0] > 9)
    views = [shown.tobytes() for shown, _ in echo.shown]
    expected = [np.rot90(base, turns, (1, 2)).tobytes() for base in (pixels, pixels[:, ::-1]) for turns in range(4)]
    assert sorted(views) == sorted(expected)
    assert all((valid == (shown[0] > 9)).all() for shown, valid in echo.shown)
    echo.shown.clear()
    tta_classifier(echo, "flips").classify(pixels, all_valid(pixels))
    assert sorted(shown.tobytes() for shown, _ in echo.shown) == sorted(
        pixels[:, ::down, ::across].tobytes() for down in (1, -1) for across in (1, -1)
    )


@pytest.mark.parametrize("mode", ["flips", "d4"])
@pytest.mark.parametrize("shape", [(6, 6), (5, 9), (1, 4)])
def test_scores_are_turned_back_before_they_are_averaged(mode, shape):
    pixels = RNG.integers(0, 255, (3, *shape), dtype=np.uint8)
    probabilities = tta_classifier(Echo(), mode).classify(pixels, all_valid(pixels))
    np.testing.assert_allclose(probabilities, pixels[:1], rtol=1e-6)


@pytest.mark.parametrize("mode", ["flips", "d4"])
def test_what_depends_on_the_side_is_averaged_out(tmp_path, mode):
    weight = np.zeros((1, 1, 3, 3))
    weight[0, 0, 1, 2] = 1  # the pixel to the right
    bundle = made_bundle(tmp_path / "m", weight, np.zeros(1), std=(100.0,))
    pixels = RNG.integers(0, 255, (1, 16, 16), dtype=np.uint8)
    plain = scorer_of(bundle)
    one = tta_classifier(plain, mode).classify(pixels, all_valid(pixels))
    mirrored = tta_classifier(plain, mode).classify(pixels[:, :, ::-1], all_valid(pixels))
    np.testing.assert_allclose(one, mirrored[:, :, ::-1], atol=1e-6)
    assert np.abs(one - plain.classify(pixels, all_valid(pixels))).max() > 0.01


def test_models_are_averaged_each_with_its_own_scaling(tmp_path):
    pixels = np.full((1, 4, 4), 60, np.uint8)
    weight, bias = np.ones((1, 1, 1, 1)), np.zeros(1)
    first = made_bundle(tmp_path / "a", weight, bias, mean=(50.0,), std=(10.0,))
    second = made_bundle(tmp_path / "b", weight, bias, mean=(80.0,), std=(10.0,))
    probabilities = ensemble_classifier([scorer_of(first), scorer_of(second)]).classify(pixels, all_valid(pixels))
    np.testing.assert_allclose(probabilities, (1 / (1 + np.exp(-1)) + 1 / (1 + np.exp(2))) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"legend": legend_from_names(["background", "river"])}, "classes background, road.*background, river"),
        ({"bands": (3,)}, "bands 1.*3"),
        ({"dtype": "uint16"}, "pixel type uint8.*uint16"),
        ({"activation": "softmax"}, "activation sigmoid.*softmax"),
    ],
)
def test_models_that_answer_another_question_are_refused(tmp_path, change, message):
    first = scorer_of(threshold_bundle(tmp_path / "m"))
    other = dataclasses.replace(first, bundle=dataclasses.replace(first.bundle, **change))
    with pytest.raises(UsageError, match=message):
        ensemble_classifier([first, other])


def test_no_model_is_refused_and_one_is_itself(tmp_path):
    classifier = scorer_of(ranking_bundle(tmp_path / "m"))
    assert ensemble_classifier([classifier]) is classifier
    with pytest.raises(UsageError, match="at least one"):
        ensemble_classifier([])


def test_an_unknown_augmentation_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="'d8'.*flips, d4"):
        tta_classifier(Echo(), "d8")


def test_streams_are_those_of_the_engine_and_the_fewest_of_several(tmp_path):
    classifier = scorer_of(threshold_bundle(tmp_path / "m"))
    assert classifier.workers == classifier.engine.workers
    assert tta_classifier(Echo(), "d4").workers == 2

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")

from keras_made import bright_model
from overland.bundle import load_bundle
from overland.errors import DataError, UsageError
from overland.inference import open_engine
from overland.inference.probabilities import mask_from_probabilities, probabilities_from_logits, scale_pixels
from overland.raster import open_scene
from overland.workflows import import_keras as workflow
from overland.workflows.import_keras import import_keras
from overland.workflows.predict import predict
from scenes import write_image


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Memory is measured in processes of their own; one test does that."""
    monkeypatch.setattr(workflow, "measure_memory_per_pixel", lambda bundle: 100.0)


def window_means(pixels):
    """The mean over the bands and over 3 x 3 pixels, zeros beyond the border."""
    padded = np.pad(pixels.astype(np.float64).mean(axis=0), 1)
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))


def scores(bundle, pixels, engine="onnx"):
    logits = open_engine(bundle, engine, precision="fp32").run(scale_pixels(bundle, pixels[None]))
    return probabilities_from_logits(bundle, logits)[0]


def test_the_bundle_gives_the_scores_of_keras_at_any_size(tmp_path):
    file = bright_model(tmp_path / "roads.h5")
    result = import_keras(file, tmp_path / "model", names=["road"], threshold=0.45, resolution_m=0.5)
    bundle = load_bundle(tmp_path / "model")
    for height, width in ((64, 64), (20, 33)):
        pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
        expected = 1 / (1 + np.exp(0.5 - window_means(pixels) / 255))
        for engine in ("onnx", "torch"):
            np.testing.assert_allclose(scores(bundle, pixels, engine)[0], expected, atol=1e-6)
        assert np.array_equal(mask_from_probabilities(bundle, scores(bundle, pixels)), expected >= 0.45)
    assert (bundle.legend.names, bundle.legend.background) == (("background", "road"), 0)
    assert (bundle.threshold, bundle.resolution_m, bundle.chip_size, bundle.bytes_per_pixel) == (0.45, 0.5, 64, 100.0)
    assert result.sha256 == bundle.data["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (result.keras_version, result.parameters, result.input_shape) == ("2.2.4", 28, (64, 64))
    assert result.difference < 1e-6
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert "Imported from roads.h5, a model of Keras 2.2.4" in (tmp_path / "model" / "README.md").read_text()


def test_a_scene_is_mapped_and_the_halo_measured_on_it(tmp_path):
    pixels = np.zeros((1, 150, 170), np.uint8)
    pixels[:, 40:60] = 250
    scene = write_image(tmp_path / "scene.tif", pixels)
    result = import_keras(bright_model(tmp_path / "grey.h5", bands=1), tmp_path / "model", scenes=[scene])
    assert (result.bands, result.halo, result.threshold) == (1, 8, 0.5)
    assert result.classes == ("background", "foreground")
    predict(tmp_path / "model", scene, tmp_path / "map.tif")
    with open_scene(tmp_path / "map.tif") as found:
        mask = found.read()[0][0]
    inside = np.s_[:, 1:-1]  # beyond the scene predict reflects where the means above have zeros
    assert np.array_equal(mask[inside], (window_means(pixels) >= 127.5)[inside])


def test_classes_are_only_named_when_told(tmp_path):
    file = bright_model(tmp_path / "a.h5", classes=3, ending="softmax")
    assert import_keras(file, tmp_path / "a").classes == ("class 0", "class 1", "class 2")
    assert load_bundle(tmp_path / "a").legend.background is None
    named = import_keras(file, tmp_path / "b", names=["urban", "water", "forest"])
    assert (named.classes, named.activation, named.threshold) == (
        ("urban", "water", "forest"),
        "softmax",
        None,
    )


RESCALING = ("Rescaling", {"scale": 1 / 255, "offset": 0.0})


@pytest.mark.parametrize(
    ("first", "options", "mean", "std"),
    [
        ((), {}, (0,), (255,)),
        ((), {"normalize": "none"}, (0,), (1,)),
        ((), {"mean": [100], "std": [50]}, (100,), (50,)),
        ((RESCALING,), {}, (0,), (1,)),
        ((RESCALING,), {"normalize": "unit"}, (0,), (255,)),
        ((("Rescaling", {"scale": 2.0, "offset": -1.0}),), {}, (0,), (255,)),
        ((("BatchNormalization", {"seen": 120.0}),), {}, (0,), (1,)),
        ((("BatchNormalization", {"seen": 0.4}),), {}, (0,), (255,)),
    ],
)
def test_pixels_are_scaled_as_told_or_as_the_network_begins(tmp_path, first, options, mean, std):
    result = import_keras(bright_model(tmp_path / "a.h5", bands=1, first=first), tmp_path / "model", **options)
    assert (result.mean, result.std) == (mean, std)
    assert "ixels" in result.notes[-1]


def test_imagenet_scaling_is_in_pixel_values(tmp_path):
    result = import_keras(bright_model(tmp_path / "a.h5"), tmp_path / "model", normalize="imagenet")
    assert result.mean[0] == pytest.approx(0.485 * 255)
    assert result.std[2] == pytest.approx(0.225 * 255)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({}, {"names": ["a", "b", "c"]}, "2 classes apart, but 3 names"),
        ({"classes": 3, "ending": "softmax"}, {"names": ["a"]}, "give 3 names"),
        ({"classes": 3, "ending": "softmax"}, {"threshold": 0.4}, "Leave it out"),
        ({}, {"threshold": 1.5}, "between 0 and 1"),
        ({}, {"normalize": "l2"}, "no scaling 'l2'"),
        ({}, {"normalize": "unit", "mean": [1], "std": [1]}, "either --normalize or"),
        ({}, {"mean": [1, 2], "std": [1, 2]}, "one for each of the 3 bands"),
        ({}, {"mean": [1], "std": [0]}, "above 0"),
        ({"bands": 1}, {"normalize": "imagenet"}, "those of 3 bands; the network takes 1"),
    ],
)
def test_options_that_make_no_sense_are_refused_and_nothing_is_written(tmp_path, model, options, message):
    file = bright_model(tmp_path / "a.h5", **model)
    with pytest.raises(UsageError, match=message):
        import_keras(file, tmp_path / "out" / "model", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_a_model_is_replaced_only_when_told(tmp_path):
    file = bright_model(tmp_path / "a.h5")
    import_keras(file, tmp_path / "model")
    with pytest.raises(UsageError, match="Add --overwrite"):
        import_keras(file, tmp_path / "model")
    import_keras(file, tmp_path / "model", names=["road"], overwrite=True)
    assert load_bundle(tmp_path / "model").legend.names == ("background", "road")
    with pytest.raises(UsageError, match="is the model itself"):
        import_keras(file, file)


def test_a_network_that_cannot_be_imported_leaves_the_old_model(tmp_path):
    file = bright_model(tmp_path / "a.h5")
    import_keras(file, tmp_path / "model")
    with pytest.raises(DataError, match="'mine' is a Mine"):
        import_keras(
            bright_model(tmp_path / "b.h5", first=(("Mine", {"name": "mine"}),)), tmp_path / "model", overwrite=True
        )
    assert load_bundle(tmp_path / "model").data["imported_from"] == "a.h5"


def test_what_predicting_needs_in_memory_is_measured(tmp_path, monkeypatch):
    monkeypatch.undo()
    import_keras(bright_model(tmp_path / "a.h5"), tmp_path / "model")
    measured = load_bundle(tmp_path / "model").bytes_per_pixel
    assert measured is None or 0 <= measured < 1000


def conv(image, kernel, bias):
    """A convolution without padding, of (height, width, channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape[:2], axis=(0, 1))
    return np.maximum(np.einsum("hwikl,klio->hwo", windows, kernel, optimize=True) + bias, 0)


def lane_scores(file, image):
    """The lane network written out in numpy: layer by layer, from the weights in the file."""

    def weights(layer):
        group = file["model_weights"][layer]
        return [group[name.decode()][()].astype(np.float64) for name in group.attrs["weight_names"]]

    gamma, beta, mean, variance = weights("batch_normalization_1")
    x = gamma * (image - mean) / np.sqrt(variance + 1e-3) + beta
    for block in (("Conv1", "Conv2"), ("Conv3", "Conv4", "Conv5"), ("Conv6", "Conv7")):
        for layer in block:
            x = conv(x, *weights(layer))
        x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
        x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
    for block in (("Deconv1", "Deconv2"), ("Deconv3", "Deconv4", "Deconv5"), ("Deconv6", "Final")):
        x = x.repeat(2, 0).repeat(2, 1)
        for layer in block:
            kernel, bias = weights(layer)
            # A transposed convolution of stride 1: padded all round, with the kernel turned by half.
            x = conv(np.pad(x, ((2, 2), (2, 2), (0, 0))), kernel[::-1, ::-1].transpose(0, 1, 3, 2), bias)
    return x[..., 0]


@pytest.mark.real
def test_a_real_model_of_keras_2_gives_what_its_layers_say(tmp_path):
    if "OVERLAND_DATA" not in os.environ:
        pytest.skip("OVERLAND_DATA is not set")
    file = Path(os.environ["OVERLAND_DATA"]) / "weights" / "keras_lane.h5"
    result = import_keras(file, tmp_path / "lane", names=["lane"])
    assert (result.keras_version, result.parameters, result.size_divisor) == ("2.0.8", 181_693, 40)
    assert result.std == (1.0, 1.0, 1.0)  # its first layer has seen pixels of 0 to 255
    bundle = load_bundle(tmp_path / "lane")
    rng = np.random.default_rng(0)
    for height, width in ((80, 160), (120, 80)):
        coarse = rng.integers(0, 256, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
        with h5py.File(file) as opened:
            expected = lane_scores(opened, coarse.astype(np.float64))
        assert expected.max() > 0.1
        found = scores(bundle, coarse.transpose(2, 0, 1).astype(np.uint8))[0]
        np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-4)

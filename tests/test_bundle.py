import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from models_made import made_bundle, ranking_bundle, threshold_bundle
from overland.bundle import load_bundle, load_weights, manifest_seal, save_bundle, save_quantized
from overland.errors import DataError, UsageError
from overland.inference.probabilities import mask_from_probabilities, probabilities_from_logits, scale_pixels
from overland.legend import legend_from_names


@pytest.fixture
def bundle(tmp_path):
    weight = np.random.default_rng(0).normal(size=(1, 3, 3, 3)).astype(np.float32)
    return made_bundle(
        tmp_path / "model",
        weight,
        np.zeros(1),
        bands=(4, 3, 2),
        mean=(1.5, 2.5, 3.5),
        std=(1.0, 2.0, 4.0),
        threshold=0.37,
        resolution_m=0.5,
        metrics={"iou": {"road": 0.6}},
        training={"epochs": 3},
        versions={"overland": "0.1"},
    )


def test_what_was_saved_is_what_is_loaded(bundle):
    assert load_bundle(bundle.path) == bundle
    assert bundle.bands == (4, 3, 2)
    assert (bundle.in_channels, bundle.num_outputs) == (3, 1)
    assert bundle.metrics == {"iou": {"road": 0.6}}
    assert load_weights(bundle)["weight"].shape == (1, 3, 3, 3)


def test_a_folder_that_is_moved_works_the_same(bundle, tmp_path):
    moved = shutil.move(bundle.path, tmp_path / "elsewhere")
    loaded = load_bundle(moved)
    assert loaded.graph_path.is_file()
    assert loaded.path == tmp_path / "elsewhere"


def test_the_folder_holds_plain_files_only(bundle):
    names = {path.name for path in bundle.path.iterdir()}
    assert names == {"model.safetensors", "model.onnx", "config.json", "overland.json", "README.md"}
    assert json.loads((bundle.path / "config.json").read_text())["in_channels"] == 3


def test_the_class_of_each_pixel_is_that_of_argmax(tmp_path):
    bundle = ranking_bundle(tmp_path / "m")
    # Few values, so that many probabilities are equal.
    probabilities = np.random.default_rng(0).integers(0, 3, (3, 50, 40)).astype(np.float32)
    np.testing.assert_array_equal(mask_from_probabilities(bundle, probabilities), probabilities.argmax(axis=0))


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "config.json"])
def test_one_flipped_bit_is_found_out(bundle, name):
    content = bytearray((bundle.path / name).read_bytes())
    content[-3] ^= 1
    (bundle.path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is not the file that was saved"):
        load_bundle(bundle.path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "config.json"])
def test_a_missing_file_is_named(bundle, name):
    (bundle.path / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        load_bundle(bundle.path)


def changed(bundle, **settings):
    """Change values of the manifest, and seal it again, as a forger would."""
    path = bundle.path / "overland.json"
    manifest = json.loads(path.read_text()) | settings
    path.write_text(json.dumps(manifest | {"seal": manifest_seal(manifest)}))
    return bundle.path


def test_a_newer_format_is_refused_with_both_numbers(bundle):
    with pytest.raises(DataError, match="bundle format 3; .* reads format 2"):
        load_bundle(changed(bundle, format=3))


@pytest.mark.parametrize("settings", [{"legend": None}, {"sha256": []}, {"mean": None}, {"legend": {"names": ["a"]}}])
def test_incomplete_settings_are_one_error(bundle, settings):
    with pytest.raises(DataError):
        load_bundle(changed(bundle, **settings))


def test_a_checksum_cannot_point_outside_the_folder(bundle):
    sums = json.loads((bundle.path / "overland.json").read_text())["sha256"]
    with pytest.raises(DataError, match="which is no file of a bundle"):
        load_bundle(changed(bundle, sha256=sums | {"../../secret": "0"}))


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "config.json"])
def test_every_file_that_is_needed_has_a_checksum(bundle, name):
    sums = json.loads((bundle.path / "overland.json").read_text())["sha256"]
    del sums[name]
    with pytest.raises(DataError, match=f"no checksum of {name}"):
        load_bundle(changed(bundle, sha256=sums))


def test_a_changed_manifest_is_found_out(bundle):
    path = bundle.path / "overland.json"
    path.write_text(path.read_text().replace('"halo": 4', '"halo": 0'))
    with pytest.raises(DataError, match=r"overland\.json is not the file that was saved"):
        load_bundle(bundle.path)


def test_the_card_may_be_edited(bundle):
    (bundle.path / "README.md").write_text("# Mine\n")
    assert load_bundle(bundle.path) == bundle


LEGEND = {"names": ["background", "road"], "colors": [[0, 0, 0], [1, 1, 1]], "background": 0, "ignore_index": 255}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("chip_size", value) for value in (0, -1, 2.5, "64", None, True, 10**9)),
        *(("size_divisor", value) for value in (0, "8", 10**6)),
        *(("halo", value) for value in (-5, 10**9, "x", None)),
        *(("window", value) for value in (0, "x", 10**9)),
        *(("bands", value) for value in ([], ["a", "b", "c"], [0, 1, 2], [1, 2], 5)),
        *(("mean", value) for value in ([1.0], "abc", [float("nan")] * 3, None)),
        *(("std", value) for value in ([0, 1, 1], [-1, -1, -1], [float("nan")] * 3, [float("inf")] * 3)),
        *(("dtype", value) for value in ("object", "uint7", 5)),
        *(("activation", value) for value in ("relu", "softmax", None)),
        *(("threshold", value) for value in ("x", float("nan"), 1.5, -0.1)),
        *(("resolution_m", value) for value in (0, -1.0, float("inf"), "1")),
        *(("bytes_per_pixel", value) for value in (-1e9, "x", 1e12)),
        *(("metrics", value) for value in ([1], "good")),
        ("data", {"resolution_range_m": [2.0, 1.0]}),
        ("data", {"resolution_range_m": "all"}),
        ("training", None),
        ("legend", LEGEND | {"background": 7}),
        ("legend", LEGEND | {"ignore_index": 99999}),
        ("legend", LEGEND | {"ignore_index": 1}),
        ("legend", LEGEND | {"names": ["a", "b", "c"], "colors": [[0, 0, 0]] * 3}),
        ("legend", LEGEND | {"names": ["a"], "colors": [[0, 0, 0]]}),
        ("legend", LEGEND | {"names": [1, None]}),
        ("legend", LEGEND | {"names": "ab"}),
    ],
)
def test_a_value_without_sense_is_refused(bundle, key, value):
    with pytest.raises(DataError, match=key if key != "activation" else "activation|config|sigmoid"):
        load_bundle(changed(bundle, **{key: value}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[1]", "JSON object"),
        ("{", "cannot be read"),
        ('{"squash": "big"}', "fixed_size"),
        ('{"fixed_size": "big"}', "fixed_size"),
        ('{"in_channels": 7}', "in_channels"),
        ('{"classes": 5}', "classes"),
    ],
)
def test_a_network_that_does_not_fit_the_manifest_is_refused(bundle, config, message):
    (bundle.path / "config.json").write_text(config)
    manifest = json.loads((bundle.path / "overland.json").read_text())
    sums = manifest["sha256"] | {"config.json": hashlib.sha256(config.encode()).hexdigest()}
    with pytest.raises(DataError, match=message):
        load_bundle(changed(bundle, sha256=sums))


def test_a_value_without_sense_is_not_saved(bundle, tmp_path):
    files = {"weights": {}, "graph": b"", "card": ""}
    with pytest.raises(UsageError, match="std"):
        save_bundle(dataclasses.replace(bundle, std=(0.0, 1.0, 1.0)), tmp_path / "a", **files)
    assert not (tmp_path / "a").exists()


def test_a_manifest_of_a_hundred_thousand_lists_is_one_error(bundle):
    (bundle.path / "overland.json").write_text("[" * 200_000)
    with pytest.raises(DataError, match="cannot be read"):
        load_bundle(bundle.path)


@pytest.mark.parametrize("content", ["not json", "[]", None])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "overland.json").write_text(content)
    with pytest.raises(DataError):
        load_bundle(tmp_path)


def test_a_path_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_bundle(tmp_path / "nothing")


def test_an_eight_bit_graph_is_kept_with_its_report_and_checked(bundle, tmp_path):
    report = {"agreement": 0.999, "iou_change_points": None}
    copy = save_quantized(bundle, tmp_path / "int8", int8_graph=b"graph", report=report, card="# Eight bits\n")
    assert (copy.int8, copy.int8_path.read_bytes()) == (report, b"graph")
    assert copy == load_bundle(copy.path)
    assert copy.graph_path.read_bytes() == bundle.graph_path.read_bytes()
    assert copy.weights_path.read_bytes() == bundle.weights_path.read_bytes()
    assert (bundle.int8, bundle.int8_path) == (None, None)
    copy.int8_path.write_bytes(b"other")
    with pytest.raises(DataError, match=r"model.int8.onnx is not the file that was saved"):
        load_bundle(copy.path)


def test_an_eight_bit_graph_and_its_report_go_together(bundle, tmp_path):
    files = {"weights": load_weights(bundle), "graph": bundle.graph_path.read_bytes(), "card": ""}
    saved = save_bundle(dataclasses.replace(bundle, int8={"agreement": 1.0}), tmp_path / "a", **files, int8_graph=b"8")
    assert saved.int8_path.read_bytes() == b"8"
    with pytest.raises(UsageError, match="both or neither"):
        save_bundle(bundle, tmp_path / "b", **files, int8_graph=b"8")
    with pytest.raises(UsageError, match="both or neither"):
        save_bundle(saved, tmp_path / "b", **files)
    with pytest.raises(DataError, match="no checksum"):
        load_bundle(changed(bundle, int8={"agreement": 1.0}))


def test_what_was_not_measured_may_be_left_out(bundle):
    path = bundle.path / "overland.json"
    settings = json.loads(path.read_text())
    del settings["bytes_per_pixel"], settings["int8"], settings["window"]
    settings["of_a_later_version"] = 1
    path.write_text(json.dumps(settings | {"seal": manifest_seal(settings)}))
    assert load_bundle(bundle.path) == bundle
    assert (bundle.bytes_per_pixel, bundle.int8) == (None, None)


def test_saving_again_replaces_the_whole_folder(tmp_path):
    threshold_bundle(tmp_path / "m", bands=3)
    (tmp_path / "m" / "stray").write_text("")
    again = threshold_bundle(tmp_path / "m", bands=1)
    assert again.in_channels == 1
    assert not (tmp_path / "m" / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_bundle_that_is_not_on_disk_has_no_files(bundle):
    object.__setattr__(bundle, "path", None)
    with pytest.raises(UsageError, match="not been saved"):
        _ = bundle.graph_path


def test_pixels_are_scaled_band_by_band_and_kept(bundle):
    pixels = np.full((3, 2, 2), 10, np.uint8)
    chips = scale_pixels(bundle, pixels)
    assert chips.dtype == np.float32
    np.testing.assert_allclose(chips[:, 0, 0], [8.5, 3.75, 1.625])
    assert (pixels == 10).all()


def test_a_sigmoid_gives_one_score_without_overflow(bundle):
    logits = np.array([[[[0.0, 2.0, -1000.0, 1000.0]]]], np.float32)
    np.testing.assert_allclose(probabilities_from_logits(bundle, logits)[0, 0, 0], [0.5, 0.880797, 0, 1], atol=1e-6)


def test_a_softmax_gives_a_score_for_each_class_without_overflow(tmp_path):
    bundle = ranking_bundle(tmp_path / "m")
    logits = np.array([0.0, np.log(3), 1000.0], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(probabilities_from_logits(bundle, logits).ravel(), [0, 0, 1], atol=1e-6)
    logits[0, 2] = -1000
    np.testing.assert_allclose(probabilities_from_logits(bundle, logits).ravel(), [0.25, 0.75, 0], atol=1e-6)


def test_the_tuned_threshold_decides_unless_another_is_given(bundle):
    probabilities = np.array([[[0.3, 0.37, 0.45, 0.9]]], np.float32)
    assert mask_from_probabilities(bundle, probabilities).tolist() == [[0, 1, 1, 1]]
    assert mask_from_probabilities(bundle, probabilities, 0.5).tolist() == [[0, 0, 0, 1]]


def test_the_largest_score_decides_between_classes(tmp_path):
    bundle = ranking_bundle(tmp_path / "m", legend=legend_from_names(["a", "b", "c"]))
    probabilities = np.array([[[0.2]], [[0.5]], [[0.3]]], np.float32)
    assert mask_from_probabilities(bundle, probabilities).tolist() == [[1]]
    with pytest.raises(UsageError, match="between two classes; this model has 3"):
        mask_from_probabilities(bundle, probabilities, 0.5)


def test_a_run_folder_stands_for_its_best_model(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "run" / "weights" / "best")
    assert load_bundle(tmp_path / "run").path == tmp_path / "run" / "weights" / "best"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty is not a model bundle.*weights/best"):
        load_bundle(tmp_path / "empty")

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from scipy.ndimage import binary_erosion

from deepness_made import deepness_map, read_metadata
from models_made import conv_graph, made_bundle, mean_bundle, ranking_bundle, threshold_bundle
from overland.bundle import load_bundle
from overland.errors import DataError, UsageError
from overland.exporters.deepness import deepness_graph, deepness_metadata, overlap_percent_of
from overland.inference.probabilities import mask_from_probabilities, probabilities_from_logits, scale_pixels
from overland.legend import legend_from_names
from overland.raster import open_scene
from overland.workflows.predict import predict
from scenes import utm_grid, write_image


def session_of(graph):
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def scores_by_bundle(bundle, pixels):
    logits = session_of(bundle.graph_path.read_bytes()).run(None, {"image": scale_pixels(bundle, pixels)[None]})[0]
    return probabilities_from_logits(bundle, logits)


def test_metadata_is_what_deepness_reads(tmp_path):
    bundle = threshold_bundle(
        tmp_path / "b", bands=3, mean=(51.0, 102.0, 153.0), std=(25.5, 51.0, 255.0), resolution_m=0.3, threshold=0.2678
    )
    found = read_metadata(session_of(deepness_graph(bundle, tile_size=64)))
    assert found == {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "road"},
        "standardization_mean": pytest.approx([0.2, 0.4, 0.6]),
        "standardization_std": pytest.approx([0.1, 0.2, 1.0]),
        "seg_thresh": 0.27,
        "seg_small_segment": 0,
        "tile_size": 64,
        "tiles_size": 64,
        "tiles_overlap": 13,
        "resolution": 30.0,
    }


def test_the_file_is_one_that_deepness_opens(tmp_path):
    graph = deepness_graph(ranking_bundle(tmp_path / "b"), tile_size=128)
    session = session_of(graph)
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert image.shape == ["batch", 3, 128, 128]
    assert output.shape == ["batch", 3, 128, 128]
    model = onnx.load_from_string(graph)
    assert model.ir_version <= 9
    assert model.opset_import[0].version <= 20


@pytest.mark.parametrize("make", [threshold_bundle, ranking_bundle])
def test_the_output_is_probabilities(tmp_path, make):
    bundle = make(
        tmp_path / "b", mean=(90.0,) * 3, std=(40.0,) * 3, **({"bands": 3} if make is threshold_bundle else {})
    )
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    scores = session_of(deepness_graph(bundle, tile_size=64)).run(None, {"image": scale_pixels(bundle, pixels)[None]})[
        0
    ]
    np.testing.assert_allclose(scores, scores_by_bundle(bundle, pixels), atol=1e-6)
    assert scores.min() >= 0
    assert scores.max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("make", [threshold_bundle, ranking_bundle])
def test_deepness_maps_as_overland_does(tmp_path, make, dtype):
    largest = np.iinfo(dtype).max
    settings = {"dtype": dtype, "mean": (largest / 2,) * 3, "std": (largest / 7,) * 3, "halo": 0}
    bundle = threshold_bundle(tmp_path / "b", bands=3, limit=0.3, threshold=0.4, **settings)
    if make is ranking_bundle:
        bundle = ranking_bundle(tmp_path / "b", **settings)
    pixels = np.random.default_rng(1).integers(0, largest, (3, 150, 90)).astype(dtype)
    write_image(tmp_path / "scene.tif", pixels, utm_grid(150, 90))
    predict(bundle, tmp_path / "scene.tif", tmp_path / "map.tif")
    with open_scene(tmp_path / "map.tif") as scene:
        expected = scene.read(scene.grid.window, [1])[0][0]
    np.testing.assert_array_equal(deepness_map(deepness_graph(bundle, tile_size=64), pixels), expected)


def test_what_tiles_share_covers_the_halo(tmp_path):
    bundle = mean_bundle(tmp_path / "b", side=5, halo=8)
    pixels = np.random.default_rng(2).integers(0, 256, (1, 200, 200), dtype=np.uint8)
    whole = mask_from_probabilities(bundle, scores_by_bundle(bundle, pixels)[0])
    inner = np.s_[4:-4, 4:-4]  # Deepness shows the network nothing beyond the layer; Overland mirrors.
    found = deepness_map(deepness_graph(bundle, tile_size=64), pixels)
    np.testing.assert_array_equal(found[inner], whole[inner])
    seams = deepness_map(deepness_graph(bundle, tile_size=64, overlap_percent=0), pixels)
    assert (seams[inner] != whole[inner]).any()


def test_overlap_is_two_halos_rounded_up(tmp_path):
    bundle = threshold_bundle(tmp_path / "b", halo=64)
    assert overlap_percent_of(bundle, 512) == 25
    assert overlap_percent_of(bundle, 500) == 26


def test_several_classes_have_no_threshold(tmp_path):
    # Deepness puts scores below it to zero before the largest is sought: at .5 a pixel could fall to class 0.
    assert deepness_metadata(ranking_bundle(tmp_path / "b"), 64)["seg_thresh"] == 0


@pytest.mark.parametrize(("tuned", "written"), [(None, 0.5), (0.2678, 0.27), (0.001, 0.01), (1.0, 1.0)])
def test_threshold_has_two_decimals_and_is_never_zero(tmp_path, tuned, written):
    assert deepness_metadata(threshold_bundle(tmp_path / "b", threshold=tuned), 64)["seg_thresh"] == written


def test_another_graph_of_the_network_may_be_named(tmp_path):
    bundle = threshold_bundle(tmp_path / "b")
    other = tmp_path / "other.onnx"
    other.write_bytes(conv_graph(np.zeros((1, 1, 1, 1)), np.zeros(1)))
    scores = session_of(deepness_graph(bundle, tile_size=64, graph=other)).run(
        None, {"image": np.ones((1, 1, 64, 64), np.float32)}
    )[0]
    np.testing.assert_array_equal(scores, 0.5)


def test_the_bundle_is_left_as_it_was(tmp_path):
    bundle = threshold_bundle(tmp_path / "b")
    deepness_graph(bundle, tile_size=64)
    assert load_bundle(tmp_path / "b") == bundle


def test_float_imagery_is_refused(tmp_path):
    bundle = threshold_bundle(tmp_path / "b", dtype="float32")
    with pytest.raises(DataError, match="maps float32 imagery; Deepness reads layers of uint8, uint16, int16 alone"):
        deepness_graph(bundle)


@pytest.mark.parametrize(("side", "nearest"), [(250, 248), (3, 8)])
def test_a_tile_that_the_network_cannot_take_is_refused(tmp_path, side, nearest):
    with pytest.raises(UsageError, match=f"multiples of 8 pixels; got {side}, try {nearest}"):
        deepness_graph(threshold_bundle(tmp_path / "b"), tile_size=side)


def test_a_tile_that_is_all_halo_is_refused(tmp_path):
    with pytest.raises(UsageError, match="overlap by 0 to 90 %; got 200. Try a larger --tile-size"):
        deepness_graph(threshold_bundle(tmp_path / "b", halo=64), tile_size=64)


def test_a_graph_too_new_for_its_runtime_is_refused(tmp_path):
    model = onnx.load_from_string(conv_graph(np.ones((1, 1, 1, 1)), np.zeros(1)))
    model.opset_import[0].version = 23
    path = tmp_path / "new.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="opset 23; Deepness reads at most 20"):
        deepness_graph(threshold_bundle(tmp_path / "b"), tile_size=64, graph=path)


@pytest.mark.real
@pytest.mark.skipif("OVERLAND_DATA" not in os.environ, reason="OVERLAND_DATA is not set")
def test_a_real_scene_is_mapped_as_overland_does(tmp_path):
    source = Path(os.environ["OVERLAND_DATA"]) / "rasters" / "massachusetts" / "17728720_15.tif"
    rng = np.random.default_rng(3)
    bundle = made_bundle(
        tmp_path / "b",
        rng.normal(size=(4, 3, 7, 7)) / 7,
        rng.normal(size=4) / 4,
        legend=legend_from_names(["field", "road", "house", "water"]),
        activation="softmax",
        mean=(100.0,) * 3,
        std=(50.0,) * 3,
        halo=8,  # windows are blended over half of it, and the network sees 3 pixels far
    )
    predict(bundle, source, tmp_path / "map.tif")
    with open_scene(source) as scene, open_scene(tmp_path / "map.tif") as result:
        pixels, valid = scene.read(scene.grid.window, bundle.bands)
        expected = result.read(result.grid.window, [1])[0][0]
    found = deepness_map(deepness_graph(bundle, tile_size=512), pixels)
    # Where there are no data Overland puts the mean, Deepness what the file holds: the network sees it 3 pixels far.
    inside = binary_erosion(valid, iterations=4, structure=np.ones((3, 3)))
    np.testing.assert_array_equal(found[inside], expected[inside])

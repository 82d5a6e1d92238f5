import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from models_made import mean_bundle, ranking_bundle, threshold_bundle
from overland.bundle import save_bundle
from overland.errors import DataError, UsageError
from overland.inference import open_engine
from overland.inference.engines.onnx import OnnxEngine
from overland.raster import Grid, create_raster, open_scene
from overland.workflows.predict import predict

PLACE = (Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), "EPSG:32633")
RNG = np.random.default_rng(1)


def write_scene(path, pixels, nodata=None):
    grid = Grid(height=pixels.shape[1], width=pixels.shape[2], transform=PLACE[0], crs=PLACE[1])
    with create_raster(path, grid, count=len(pixels), dtype=str(pixels.dtype), nodata=nodata) as writer:
        writer.write(pixels, grid.window)
    return path


def read_mask(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1)


@pytest.fixture
def scene(tmp_path):
    pixels = RNG.integers(1, 255, (3, 600, 530), dtype=np.uint8)
    pixels[:, 100:200, 50:90] = 0
    return write_scene(tmp_path / "scene.tif", pixels, nodata=0), pixels


def test_the_map_lies_where_the_scene_lies_and_holds_its_classes(tmp_path, scene):
    path, pixels = scene
    values = predict(ranking_bundle(tmp_path / "m"), path, tmp_path / "mask.tif", chip_size=128)
    expected = pixels.argmax(axis=0).astype(np.uint8)
    expected[(pixels == 0).all(axis=0)] = 255
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), expected)
    with open_scene(tmp_path / "mask.tif") as mask:
        assert (mask.grid.transform, mask.grid.crs) == PLACE
        assert mask.nodata == 255
        assert mask.legend.names == ("forest", "water", "urban")
    assert values.nodata_fraction == pytest.approx(100 * 40 / 600 / 530, abs=1e-6)
    fractions = [(expected == index).sum() / (expected < 255).sum() for index in range(3)]
    assert list(values.class_fractions.values()) == pytest.approx(fractions, abs=1e-6)


def test_the_result_says_what_was_done_in_plain_values(tmp_path, scene):
    bundle = ranking_bundle(tmp_path / "m")
    values = predict(bundle.path, [scene[0]], tmp_path / "mask.tif", engine=open_engine(bundle, "onnx", workers=1))
    assert json.loads(json.dumps(values.to_dict())) == values.to_dict()
    assert values.output == str(tmp_path / "mask.tif")
    assert (values.engine, values.windows, values.megapixels) == ("onnx", 1, 0.318)
    assert values.overlap_overhead == pytest.approx(608 * 544 / (600 * 530), abs=1e-3)
    assert values.seconds > 0
    assert values.mpx_per_s > 0
    assert values.scenes[0].chip_size == [608, 544]


@pytest.mark.parametrize("chip_size", [64, 200, 1000])
def test_the_bytes_are_the_same_for_every_chip_size_of_a_local_model(tmp_path, scene, chip_size):
    bundle = ranking_bundle(tmp_path / "m")
    for name, size in (("a.tif", chip_size), ("b.tif", None)):
        predict(bundle, scene[0], tmp_path / name, chip_size=size)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_scores_are_probabilities_with_nan_where_there_is_no_data(tmp_path, scene):
    path, pixels = scene
    predict(
        ranking_bundle(tmp_path / "m"),
        path,
        tmp_path / "mask.tif",
        probabilities=tmp_path / "probabilities.tif",
        chip_size=128,
    )
    with rasterio.open(tmp_path / "probabilities.tif") as dataset:
        probabilities = dataset.read()
        assert dataset.dtypes == ("float32",) * 3
        assert dataset.descriptions == ("forest", "water", "urban")
        assert dataset.crs.to_epsg() == 32633
    valid = (pixels != 0).any(axis=0)
    assert np.isnan(probabilities[:, ~valid]).all()
    np.testing.assert_allclose(probabilities[:, valid].sum(axis=0), 1, atol=1e-5)


def test_the_threshold_can_be_overridden(tmp_path):
    bundle = threshold_bundle(tmp_path / "m", limit=100.0, threshold=0.5)
    path = write_scene(tmp_path / "s.tif", np.array([[[98, 99, 100, 101, 102]]], np.uint8))
    predict(bundle, path, tmp_path / "a.tif")
    predict(bundle, path, tmp_path / "b.tif", threshold=0.8)
    assert read_mask(tmp_path / "a.tif").tolist() == [[0, 0, 1, 1, 1]]
    assert read_mask(tmp_path / "b.tif").tolist() == [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("settings", "message"), [({"threshold": 1.5}, "from 0 to 1"), ({"threshold": 0.5}, "between two classes")]
)
def test_a_threshold_without_a_meaning_is_refused(tmp_path, scene, settings, message):
    with pytest.raises(UsageError, match=message):
        predict(ranking_bundle(tmp_path / "m"), scene[0], tmp_path / "mask.tif", **settings)


@pytest.mark.parametrize(("overlap", "shared"), [(0, 0), (2, 8), (31, 32)])
def test_overlap_is_what_neighbours_share_in_multiples_that_the_model_needs(tmp_path, scene, overlap, shared):
    bundle = mean_bundle(tmp_path / "m")
    values = predict(bundle, scene[0], tmp_path / "mask.tif", bands=(1,), overlap=overlap, chip_size=128)
    assert values.scenes[0].overlap == shared


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("nodata", [None, 0, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (70, 65)])
def test_every_type_nodata_and_size_works(tmp_path, dtype, nodata, size):
    pixels = RNG.integers(0, 255, (1, *size)).astype(dtype)
    path = write_scene(tmp_path / "s.tif", pixels, nodata=nodata)
    predict(threshold_bundle(tmp_path / "m", dtype=dtype, limit=99.5), path, tmp_path / "mask.tif", chip_size=32)
    expected = (pixels[0] > 99).astype(np.uint8)
    expected[pixels[0] == nodata] = 255
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), expected)


@pytest.mark.parametrize("nodata", [-9999.0, np.nan])
def test_a_float_raster_with_nodata_runs_to_the_end(tmp_path, nodata):
    pixels = RNG.random((1, 90, 90), dtype=np.float32) * 200
    pixels[0, :30] = nodata
    path = write_scene(tmp_path / "s.tif", pixels, nodata=nodata)
    predict(threshold_bundle(tmp_path / "m", dtype="float32", limit=100.0), path, tmp_path / "mask.tif", chip_size=32)
    mask = read_mask(tmp_path / "mask.tif")
    assert (mask[:30] == 255).all()
    np.testing.assert_array_equal(mask[30:], pixels[0, 30:] >= 100)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_plain_image_becomes_a_map_in_either_format(tmp_path, suffix):
    Image.new("RGB", (40, 30), (200, 200, 200)).save(tmp_path / f"i.{suffix}")
    bundle = threshold_bundle(tmp_path / "m", bands=3)
    predict(bundle, tmp_path / f"i.{suffix}", tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as mask:
        assert np.asarray(mask).tolist() == [[1] * 40] * 30


def test_a_palette_image_is_seen_in_its_colours(tmp_path):
    image = Image.new("P", (20, 10), 1)
    image.putpalette([0, 0, 0, 200, 220, 240])
    image.save(tmp_path / "p.png")
    predict(threshold_bundle(tmp_path / "m", bands=3, limit=210.0), tmp_path / "p.png", tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as mask:
        assert (np.asarray(mask) == 1).all()


def test_several_inputs_go_to_a_folder(tmp_path, scene):
    other = write_scene(tmp_path / "other.tif", np.full((3, 20, 20), 9, np.uint8))
    bundle = ranking_bundle(tmp_path / "m")
    engine = open_engine(bundle, "onnx", workers=1)
    values = predict(
        bundle, [scene[0], other], tmp_path / "masks", probabilities=tmp_path / "probabilities", engine=engine
    )
    assert sorted(path.name for path in (tmp_path / "masks").glob("*.tif")) == ["other.tif", "scene.tif"]
    assert sorted(path.name for path in (tmp_path / "probabilities").iterdir()) == ["other.tif", "scene.tif"]
    assert values.megapixels == pytest.approx(0.3184)
    assert [item.windows for item in values.scenes] == [1, 1]


def test_a_dry_run_plans_and_writes_nothing(tmp_path, scene):
    before = sorted(path.name for path in tmp_path.iterdir())
    values = predict(ranking_bundle(tmp_path / "m"), scene[0], tmp_path / "mask.tif", chip_size=128, dry_run=True)
    assert values.dry_run
    assert values.windows == 25
    assert values.seconds > 0
    assert values.output_mb_at_most == pytest.approx(0.318 * 4 / 3, abs=0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "m"])
    json.dumps(values.to_dict())


def left_over(folder):
    return sorted(path.name for path in folder.iterdir() if "mask" in path.name or "probabilities" in path.name)


def test_a_scene_that_was_cut_short_leaves_no_output(tmp_path, scene):
    path, _ = scene
    path.write_bytes(path.read_bytes()[:300_000])
    with pytest.raises(DataError, match="damaged or was cut short"):
        predict(
            ranking_bundle(tmp_path / "m"), path, tmp_path / "mask.tif", probabilities=tmp_path / "probabilities.tif"
        )
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_stops_before_its_first_rows_leaves_nothing(tmp_path, scene, monkeypatch, error):
    def interrupted(self, chips):
        raise error

    monkeypatch.setattr(OnnxEngine, "run", interrupted)
    with pytest.raises(error):
        predict(ranking_bundle(tmp_path / "m"), scene[0], tmp_path / "mask.tif", engine="onnx", chip_size=128)
    assert left_over(tmp_path) == []


@pytest.fixture
def rasters():
    folder = os.environ.get("OVERLAND_DATA")
    if not folder:
        pytest.skip("OVERLAND_DATA is not set")
    return Path(folder) / "rasters"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "bands", "dtype"),
    [
        ("m_4709963_se_14_1_20100629.tif", (1, 2, 3), "uint8"),
        ("pix4d_alpha_nodata.tif", None, "uint8"),
        ("RGB.byte.tif", None, "uint8"),
        ("massachusetts/17728720_15.tif", None, "uint8"),
        ("inference-img.tif", (4, 3, 2), "uint16"),
    ],
)
def test_real_scenes_become_maps_on_their_own_ground(tmp_path, rasters, name, bands, dtype):
    bundle = threshold_bundle(tmp_path / "m", bands=3, dtype=dtype, limit=110.5)
    predict(bundle, rasters / name, tmp_path / "mask.tif", bands=bands, chip_size=256)
    with open_scene(rasters / name) as scene, open_scene(tmp_path / "mask.tif") as mask:
        pixels, valid = scene.read(bands=bands)
        assert (mask.grid.crs, mask.grid.transform) == (scene.grid.crs, scene.grid.transform)
        got = mask.read()[0][0]
    np.testing.assert_array_equal(got == 255, ~valid)
    sums = pixels.astype(np.int64).sum(axis=0)
    np.testing.assert_array_equal(got[valid] == 1, (sums > 331.5)[valid])


@pytest.mark.real
def test_a_real_scene_with_control_points_alone_keeps_them(tmp_path, rasters):
    bundle = threshold_bundle(tmp_path / "m", dtype="uint16")
    predict(bundle, rasters / "cog_gcps.tif", tmp_path / "mask.tif")
    with open_scene(rasters / "cog_gcps.tif") as scene, open_scene(tmp_path / "mask.tif") as mask:
        assert len(mask.grid.gcps) == len(scene.grid.gcps) == 210
        assert mask.grid.gcps_crs == scene.grid.gcps_crs


@pytest.mark.real
def test_a_real_file_with_a_band_too_many_is_refused_with_the_way_out(tmp_path, rasters):
    with pytest.raises(DataError, match="4 bands of uint8.*3 bands .*-b 1,2,3"):
        predict(
            threshold_bundle(tmp_path / "m", bands=3), rasters / "m_4709963_se_14_1_20100629.tif", tmp_path / "mask.tif"
        )


def test_a_model_that_squashes_gets_the_whole_scene_in_one_window(tmp_path, scene, caplog):
    path, _ = scene
    bundle = ranking_bundle(tmp_path / "m")
    squashing = replace(bundle, model={**bundle.model, "fixed_size": 64})
    save_bundle(squashing, tmp_path / "q", weights={}, graph=bundle.graph_path.read_bytes(), card="")
    values = predict(tmp_path / "q", path, tmp_path / "mask.tif", engine="onnx", chip_size=128)
    assert values.windows == 1
    assert "resizes the whole" in caplog.text

import json
import logging

import numpy as np
import pytest
import rasterio
import shapely

from models_made import mean_bundle, threshold_bundle
from overland.errors import UsageError
from overland.inference import open_engine
from overland.inference.resample import AxisResampling, ResampledScene, Resampling, resample
from overland.raster import open_scene
from overland.vector import Layer, write_features
from overland.workflows.predict import predict
from scenes import utm_grid, write_image

RNG = np.random.default_rng(9)
HEIGHT, WIDTH = 1300, 240
HALVED = Resampling(AxisResampling(HEIGHT, HEIGHT // 2), AxisResampling(WIDTH, WIDTH // 2))


class StopError(Exception):
    pass


@pytest.fixture
def scene(tmp_path):
    coarse = RNG.integers(1, 255, (1, HEIGHT // 4, WIDTH // 4), dtype=np.uint8)
    pixels = coarse.repeat(4, axis=1).repeat(4, axis=2)
    pixels[:, 300:420, 50:90] = 0
    with rasterio.open(
        tmp_path / "fine.tif",
        "w",
        driver="GTiff",
        height=HEIGHT,
        width=WIDTH,
        count=1,
        dtype="uint8",
        nodata=0,
        crs="EPSG:32633",
        transform=utm_grid(HEIGHT, WIDTH, 0.5).transform,
    ) as dataset:
        dataset.write(pixels)
    return tmp_path / "fine.tif"


@pytest.fixture
def bundle(tmp_path):
    return mean_bundle(tmp_path / "m", side=5, halo=8, resolution_m=1.0, limit=128.0)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_the_map_lies_on_the_scenes_own_pixels_and_is_that_of_the_resampled_scene(tmp_path, scene, bundle):
    values = predict(bundle, scene, tmp_path / "map.tif", probabilities=tmp_path / "probabilities.tif", chip_size=64)
    with open_scene(scene) as fine, open_scene(tmp_path / "map.tif") as found:
        assert found.grid == fine.grid
        coarse, _ = ResampledScene(fine, HALVED).read(HALVED.bounds, (1,))
    write_image(tmp_path / "coarse.tif", coarse, utm_grid(HEIGHT // 2, WIDTH // 2, 1.0))
    predict(
        bundle, tmp_path / "coarse.tif", tmp_path / "c.tif", probabilities=tmp_path / "cs.tif", nodata=0, chip_size=64
    )
    probabilities, coarse_probabilities = read(tmp_path / "probabilities.tif"), read(tmp_path / "cs.tif")
    valid = read(scene)[0] > 0
    known = ~np.isnan(coarse_probabilities[0])
    expected, _ = resample(HALVED.reversed, fine.grid.window, coarse_probabilities, known, HALVED.bounds)
    np.testing.assert_allclose(probabilities[:, valid], expected[:, valid], atol=1e-6)
    assert values.scenes[0].resampled_to == [HEIGHT // 2, WIDTH // 2]
    assert values.megapixels == pytest.approx(HEIGHT * WIDTH / 1e6)
    assert json.loads(json.dumps(values.to_dict())) == values.to_dict()


def test_missing_data_stay_where_they_are(tmp_path, scene, bundle):
    predict(bundle, scene, tmp_path / "map.tif", chip_size=64)
    np.testing.assert_array_equal(read(tmp_path / "map.tif") == 255, read(scene) == 0)


def test_at_the_models_resolution_nothing_changes(tmp_path, scene):
    unknown = mean_bundle(tmp_path / "a", side=5, halo=8, limit=128.0)
    known = mean_bundle(tmp_path / "b", side=5, halo=8, limit=128.0, resolution_m=0.5)
    for name, bundle in (("a", unknown), ("b", known)):
        values = predict(bundle, scene, tmp_path / f"{name}.tif", chip_size=64)
        assert values.scenes[0].resampled_to is None
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_off_takes_the_scene_as_it_is_and_says_so(tmp_path, scene, bundle, caplog):
    predict(bundle, scene, tmp_path / "off.tif", resample="off", chip_size=64)
    assert "taken as it is" in caplog.text
    plain = mean_bundle(tmp_path / "n", side=5, halo=8, limit=128.0)
    predict(plain, scene, tmp_path / "plain.tif", chip_size=64)
    np.testing.assert_array_equal(read(tmp_path / "off.tif"), read(tmp_path / "plain.tif"))
    with pytest.raises(UsageError, match="no resampling"):
        predict(bundle, scene, tmp_path / "x.tif", resample="maybe")


def test_the_windows_do_not_show(tmp_path, scene, bundle):
    engine = open_engine(bundle, "onnx", workers=1)
    for name, size in (("a", 40), ("b", 56), ("c", 2000)):
        predict(bundle, scene, tmp_path / f"{name}.tif", chip_size=size, engine=engine)
    masks = [read(tmp_path / f"{name}.tif") for name in "abc"]
    assert (masks[0] != masks[1]).mean() < 1e-3
    assert (masks[0] != masks[2]).mean() < 1e-3


def test_a_part_is_that_of_the_whole(tmp_path, scene, bundle):
    predict(bundle, scene, tmp_path / "whole.tif", chip_size=64)
    left, top = 500_000, 5_200_000
    predict(bundle, scene, tmp_path / "part.tif", bounds=(left + 10, top - 600, left + 90, top - 100), chip_size=64)
    np.testing.assert_array_equal(read(tmp_path / "part.tif"), read(tmp_path / "whole.tif")[:, 200:1200, 20:180])
    circle = np.array([shapely.Point(left + 60, top - 300).buffer(45)])
    write_features(tmp_path / "area.gpkg", [Layer("area", "Polygon", circle, crs="EPSG:32633")])
    predict(bundle, scene, tmp_path / "area.tif", area=tmp_path / "area.gpkg", chip_size=64)
    part = read(tmp_path / "area.tif")
    with rasterio.open(tmp_path / "area.tif") as dataset:
        row, col = round((top - dataset.transform.f) * 2), round((dataset.transform.c - left) * 2)
    whole = read(tmp_path / "whole.tif")[:, row : row + part.shape[1], col : col + part.shape[2]]
    assert (part == 255).any()
    np.testing.assert_array_equal(part[part != 255], whole[part != 255])


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, scene, bundle):
    def stop(done, total):
        if done > 0.9 * total:
            raise StopError

    predict(bundle, scene, tmp_path / "whole.tif", chip_size=64)
    with pytest.raises(StopError):
        predict(bundle, scene, tmp_path / "map.tif", chip_size=64, on_progress=stop)
    with pytest.raises(UsageError, match=r"resampled to was \[650, 120\], now none"):
        predict(bundle, scene, tmp_path / "map.tif", chip_size=64, resample="off")
    values = predict(bundle, scene, tmp_path / "map.tif", chip_size=64)
    assert values.resumed_at_row in (512, 1024)
    assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_dry_run_plans_the_models_pixels(tmp_path, scene, bundle, caplog):
    caplog.set_level(logging.INFO, "overland")
    values = predict(bundle, scene, tmp_path / "map.tif", dry_run=True, chip_size=2000)
    assert values.scenes[0].resampled_to == [HEIGHT // 2, WIDTH // 2]
    assert values.overlap_overhead < 0.6
    assert not (tmp_path / "map.tif").exists()
    assert "resampled for the network" in caplog.text


def test_pixels_of_the_other_kinds_are_those_of_the_scene(tmp_path, scene):
    bundle = threshold_bundle(tmp_path / "t", limit=128.0, resolution_m=1.0)
    predict(
        bundle, scene, tmp_path / "m.tif", probabilities=tmp_path / "s.tif", confidence=tmp_path / "c.tif", chip_size=64
    )
    assert {read(tmp_path / name).shape[1:] for name in ("m.tif", "s.tif", "c.tif")} == {(HEIGHT, WIDTH)}
    np.testing.assert_array_equal(np.isnan(read(tmp_path / "s.tif")), read(scene) == 0)

import numpy as np
import pytest
import rasterio

from models_made import mean_bundle, threshold_bundle
from overland.errors import AccessError, UsageError
from overland.raster import create_raster
from overland.workflows.predict import predict
from range_server import range_server
from scenes import utm_grid

PIXELS = np.random.default_rng(0).integers(1, 255, (1, 700, 700), dtype=np.uint8)
ONNX = {"engine": "onnx", "chip_size": 128}


@pytest.fixture
def files(tmp_path):
    grid = utm_grid(700, 700)
    with create_raster(tmp_path / "s.tif", grid) as writer:
        writer.write(PIXELS, grid.window)
    mean_bundle(tmp_path / "m")
    return tmp_path


def test_a_scene_on_a_server_gives_the_same_map_and_is_fetched_once(files):
    predict(files / "m", files / "s.tif", files / "here.tif", **ONNX)
    with range_server(files) as server:
        predict(files / "m", f"{server.url}/s.tif?token=1", files / "there.tif", **ONNX)
        assert sum(count for _, count in server.served()) < 1.2 * (files / "s.tif").stat().st_size
        with pytest.raises(AccessError, match="no such file"):
            predict(files / "m", f"{server.url}/none.tif", files / "none.tif", **ONNX)
    assert (files / "there.tif").read_bytes() == (files / "here.tif").read_bytes()


def test_a_mosaic_is_one_scene(files):
    rasterio.shutil.copy(files / "s.tif", files / "mosaic.vrt", driver="VRT")
    predict(files / "m", files / "s.tif", files / "a.tif", **ONNX)
    predict(files / "m", files / "mosaic.vrt", files / "b.tif", **ONNX)
    assert (files / "a.tif").read_bytes() == (files / "b.tif").read_bytes()


def test_nodata_can_be_told(files):
    predict(threshold_bundle(files / "t"), files / "s.tif", files / "o.tif", nodata=77, **ONNX)
    with rasterio.open(files / "o.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1) == 255, PIXELS[0] == 77)
    with pytest.raises(UsageError, match="uint8, which cannot be -9999"):
        predict(files / "m", files / "s.tif", files / "p.tif", nodata=-9999, **ONNX)


def test_several_models_are_averaged(files):
    low, high = threshold_bundle(files / "low", limit=100.0), threshold_bundle(files / "high", limit=140.0)
    predict(low, files / "s.tif", files / "o.tif", with_models=[high.path], probabilities=files / "p.tif", **ONNX)
    with rasterio.open(files / "p.tif") as dataset:
        probabilities = dataset.read(1)
    pixels = PIXELS[0].astype(float)
    expected = (1 / (1 + np.exp(100 - pixels)) + 1 / (1 + np.exp(140 - pixels))) / 2
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_views_of_a_symmetric_model_change_nothing(files, tta):
    # No mean of nine whole numbers lies so near to the limit that rounding decides.
    bundle = mean_bundle(files / "u", limit=100.05)
    predict(bundle, files / "s.tif", files / "a.tif", **ONNX)
    predict(bundle, files / "s.tif", files / "b.tif", tta=tta, **ONNX)
    assert (files / "a.tif").read_bytes() == (files / "b.tif").read_bytes()

"""Every kind of raster gives, streamed in windows, what one window over its array gives."""

import functools
import itertools

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from models_made import threshold_bundle
from overland.inference import model_classifier, open_engine, plan_windows, predict_array, predict_scene
from overland.raster import open_scene

HEIGHT, WIDTH = 150, 110
LAYOUTS = {
    "tiled": {"tiled": True, "blockxsize": 64, "blockysize": 48},
    "stripped": {"blockysize": 7},
    "one buffer": {"blockysize": HEIGHT},
    "planar": {"tiled": True, "blockxsize": 32, "blockysize": 32, "interleave": "band"},
    "pixel": {"blockysize": 16, "interleave": "pixel"},
}
KINDS = [
    (dtype, nodata)
    for dtype, nodata in itertools.product(
        ["uint8", "uint16", "int16", "float32"], ["none", "value", "nan", "alpha", "mask"]
    )
    if nodata != "nan" or dtype == "float32"
]


@pytest.fixture(scope="module")
def scorer_for(tmp_path_factory):
    @functools.cache
    def made(bands, dtype):
        path = tmp_path_factory.mktemp("model")
        bundle = threshold_bundle(path / "m", bands=bands, limit=60.0, dtype=dtype, std=(30.0,) * bands)
        return model_classifier(bundle, open_engine(bundle, "onnx", workers=2))

    return made


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bands", [1, 5])
@pytest.mark.parametrize(("dtype", "nodata"), KINDS)
def test_a_raster_streams_to_what_one_window_over_its_array_gives(tmp_path, scorer_for, layout, bands, dtype, nodata):
    pixels = np.random.default_rng(bands).integers(1, 120, (bands, HEIGHT, WIDTH)).astype(dtype)
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[30:90, 40:80] = hole[:3] = True
    write_with_hole(tmp_path / "s.tif", pixels, hole, nodata, LAYOUTS[layout])
    classifier = scorer_for(bands, dtype)
    probabilities, valid = streamed(classifier, tmp_path / "s.tif")
    np.testing.assert_array_equal(valid, np.ones_like(hole) if nodata == "none" else ~hole)
    in_one = plan_windows(HEIGHT, WIDTH, chip_size=512, halo=4, divisor=8)
    assert in_one.windows == 1
    expected = predict_array(classifier, pixels, valid, in_one)
    np.testing.assert_allclose(probabilities[:, valid], expected[:, valid], atol=1e-6)


def streamed(classifier, path):
    plan = plan_windows(HEIGHT, WIDTH, chip_size=48, halo=4, divisor=8)
    lots = []
    with open_scene(path) as scene:
        predict_scene(classifier, scene, scene.data_bands, plan, lambda _, *lot: lots.append(lot))
    probabilities, valid = zip(*lots, strict=True)
    return np.concatenate(probabilities, axis=1), np.concatenate(valid)


def write_with_hole(path, pixels, hole, nodata, layout):
    bands = len(pixels)
    value = {"value": 0, "nan": np.nan}.get(nodata)
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "dtype": pixels.dtype, "nodata": value, **layout}
    profile["count"] = bands + (nodata == "alpha")
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", transform=Affine(2, 0, 0, 0, -2, 0), **profile) as dataset,
    ):
        if nodata == "alpha":
            dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
        dataset.write(pixels if value is None else np.where(hole, value, pixels), list(range(1, bands + 1)))
        if nodata == "alpha":
            dataset.write(np.where(hole, 0, 255).astype(pixels.dtype), bands + 1)
        if nodata == "mask":
            dataset.write_mask(~hole)

import logging

import numpy as np
import pytest
import rasterio
from affine import Affine

from models_made import threshold_bundle
from overland.errors import DataError
from overland.inference import check_scene, wants_palette_colors
from overland.raster import open_scene


@pytest.fixture
def model(tmp_path):
    return lambda **settings: threshold_bundle(tmp_path / "m", **settings)


@pytest.fixture
def scene(tmp_path):
    def make(count, dtype="uint8", resolution=1.0, alpha=False):
        profile = {"driver": "GTiff", "height": 8, "width": 8, "count": count, "dtype": dtype}
        where = {
            "crs": "EPSG:32633",
            "transform": Affine(resolution, 0, 500000, 0, -resolution, 5000000),
        }
        with rasterio.open(tmp_path / "s.tif", "w", **profile, **where, alpha="yes" if alpha else "no") as dataset:
            dataset.write(np.ones((count, 8, 8), dtype))
        return open_scene(tmp_path / "s.tif")

    return make


def test_a_scene_with_as_many_bands_as_the_model_takes_is_read_whole(model, scene):
    assert check_scene(model(bands=3), scene(3)) == (1, 2, 3)


def test_an_alpha_band_does_not_count(model, scene):
    assert check_scene(model(bands=3), scene(4, alpha=True)) == (1, 2, 3)


def test_bands_that_are_asked_for_are_taken_in_that_order(model, scene):
    assert check_scene(model(bands=3), scene(8), (4, 3, 2)) == (4, 3, 2)


@pytest.mark.parametrize(
    ("trained", "has", "bands", "parts"),
    [
        (3, 4, None, ["4 bands of uint8", "3 bands (1,2,3) of uint8", "-b 1,2,3"]),
        (3, 1, None, ["1 band of uint8", "-b 1,1,1"]),
        (4, 3, None, ["3 bands", "4 bands (1,2,3,4)", "another model"]),
        (3, 4, (1, 2), ["-b names 2 (1,2)", "name 3"]),
        (3, 4, (1, 2, 5), ["band 5", "bands 1 to 4"]),
    ],
)
def test_bands_that_do_not_fit_are_refused_with_what_would(model, scene, trained, has, bands, parts):
    with pytest.raises(DataError) as error:
        check_scene(model(bands=trained), scene(has), bands)
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_the_bands_that_the_model_was_trained_on_are_proposed(model, scene):
    bundle = model(bands=3)
    object.__setattr__(bundle, "bands", (4, 3, 2))
    with pytest.raises(DataError, match="-b 4,3,2"):
        check_scene(bundle, scene(5))


def test_a_fourth_band_that_is_marked_as_alpha_can_be_asked_for(model, scene):
    bundle = model(bands=4)
    with pytest.raises(DataError, match="3 bands and alpha of uint8.*-b 1,2,3,4"):
        check_scene(bundle, scene(4, alpha=True))
    assert check_scene(bundle, scene(4, alpha=True), (1, 2, 3, 4)) == (1, 2, 3, 4)


@pytest.mark.parametrize(("trained", "found"), [("uint8", "uint16"), ("uint16", "uint8"), ("float32", "uint8")])
def test_another_pixel_type_is_refused_with_both_named(model, scene, trained, found):
    with pytest.raises(DataError, match=f"of {found}; the model was trained on .* of {trained}"):
        check_scene(model(bands=3, dtype=trained), scene(3, found))


@pytest.mark.parametrize(("resolution", "warned"), [(1.0, False), (1.4, False), (0.5, True), (2.0, True)])
def test_pixels_of_another_size_are_told(model, scene, caplog, resolution, warned):
    with caplog.at_level(logging.WARNING, logger="overland"):
        check_scene(model(bands=1, resolution_m=1.0), scene(1, resolution=resolution))
    assert bool(caplog.records) == warned
    if warned:
        assert f"{resolution:g} m" in caplog.text
        assert "1 m" in caplog.text


def test_palettes_are_colours_for_models_of_colours_only(model):
    assert wants_palette_colors(model(bands=3))
    assert not wants_palette_colors(model(bands=1))

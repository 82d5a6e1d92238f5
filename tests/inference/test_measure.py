import dataclasses

import numpy as np
import pytest

from models_made import mean_bundle
from overland.bundle import load_bundle
from overland.errors import DataError
from overland.inference import measure
from overland.inference.measure import measured_bundle
from overland.inference.memory import LARGEST_WINDOW
from scenes import write_image


@pytest.fixture
def bundle(tmp_path):
    return mean_bundle(tmp_path / "m", side=17, limit=127.5, gain=1.0, chip_size=64, size_divisor=1, halo=1)


def noise(path, bands=1):
    image = np.random.default_rng(0).integers(0, 256, (bands, 200, 200), dtype=np.uint8)
    return write_image(path, image)


def test_halo_and_memory_are_found_and_the_rest_is_kept(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "measure_memory_per_pixel", lambda bundle: 12.5)
    found = measured_bundle(bundle, [noise(tmp_path / "a.tif")])
    assert found == dataclasses.replace(bundle, halo=8, bytes_per_pixel=12.5, window=LARGEST_WINDOW)
    assert load_bundle(bundle.path) == bundle


def test_the_bands_can_be_chosen(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "measure_memory_per_pixel", lambda bundle: None)
    scene = noise(tmp_path / "a.tif", bands=2)
    with pytest.raises(DataError, match="has 2 bands"):
        measured_bundle(bundle, [scene])
    assert measured_bundle(bundle, [scene], [2]).halo == 8

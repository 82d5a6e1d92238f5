from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

from models_made import threshold_bundle
from overland.errors import DataError, UsageError
from overland.raster import create_raster, read_image
from overland.workflows.apply_threshold import apply_threshold
from overland.workflows.predict import predict
from scenes import utm_grid, write_image


@pytest.fixture
def probabilities(tmp_path: Path) -> Path:
    values = np.linspace(0, 1, 40 * 50, dtype=np.float32).reshape(1, 40, 50)
    values[0, :4] = np.nan
    with create_raster(
        tmp_path / "probabilities.tif", utm_grid(40, 50), dtype="float32", nodata=float("nan")
    ) as writer:
        writer.write(values, utm_grid(40, 50).window)
    return tmp_path / "probabilities.tif"


def test_decides_and_keeps_what_has_no_data(probabilities: Path, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "model", bands=3)
    found = apply_threshold(bundle, probabilities, tmp_path / "map.tif", 0.25)
    mask, valid = read_image(tmp_path / "map.tif", expand_palette=False)
    expected = np.linspace(0, 1, 2000, dtype=np.float32).reshape(40, 50) >= 0.25
    assert not valid[:4].any()
    assert (mask[0][4:] == expected[4:]).all()
    assert found.pixels[bundle.legend.names[1]] == int(expected[4:].sum())


def test_equals_predict_with_that_threshold(tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "model", bands=3)
    image = np.random.default_rng(0).integers(0, 255, (3, 64, 70), dtype=np.uint8)
    write_image(tmp_path / "scene.tif", image, utm_grid(64, 70))
    predict(bundle, tmp_path / "scene.tif", tmp_path / "mask.tif", probabilities=tmp_path / "p.tif")
    predict(bundle, tmp_path / "scene.tif", tmp_path / "other.tif", threshold=0.7)
    apply_threshold(bundle, tmp_path / "p.tif", tmp_path / "decided.tif", 0.7)
    assert (read_image(tmp_path / "decided.tif")[0] == read_image(tmp_path / "other.tif")[0]).all()


def test_refuses_what_makes_no_sense(probabilities: Path, tmp_path: Path) -> None:
    bundle = threshold_bundle(tmp_path / "model", bands=3)
    with pytest.raises(UsageError, match="from 0 to 1"):
        apply_threshold(bundle, probabilities, tmp_path / "map.tif", 1.5)
    mask = write_image(tmp_path / "mask.tif", np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(DataError, match="probabilities of a two-class model are one band"):
        apply_threshold(bundle, mask, tmp_path / "map.tif", 0.5)
    assert not (tmp_path / "map.tif").exists()


def test_the_file_behind_the_probabilities_is_never_overwritten(tmp_path):
    grid = utm_grid(20, 30)
    path = write_image(tmp_path / "p.tif", np.full((1, 20, 30), 0.5, np.float32), grid)
    rasterio.shutil.copy(path, tmp_path / "p.vrt", driver="VRT")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is an input"):
        apply_threshold("roads", tmp_path / "p.vrt", path, 0.5, overwrite=True)
    assert path.read_bytes() == before

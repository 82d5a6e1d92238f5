import os

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy as copy_raster

from overland.raster import Grid, create_raster, open_scene
from overland.raster import open as identity_module


@pytest.fixture
def scene(tmp_path):
    def write(name="s.tif", value=1):
        with create_raster(tmp_path / name, Grid(height=600, width=600), overwrite=True) as writer:
            writer.write(np.full((600, 600), value, np.uint8), Grid(height=600, width=600).window)
        return tmp_path / name

    return write


def identity_of(path):
    with open_scene(path) as scene:
        return scene.identity


def test_a_file_is_known_by_size_and_time(scene):
    path = scene()
    before = identity_of(path)
    assert f"{path.stat().st_size} bytes of 20" in before
    assert identity_of(path) == before
    os.utime(path, ns=(1, 1))
    assert identity_of(path) != before


def test_what_a_viewer_puts_beside_it_is_no_change(scene):
    path = scene()
    before = identity_of(path)
    path.with_name("s.tif.aux.xml").write_text("<PAMDataset/>")
    assert identity_of(path) == before


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_mosaic_changes_with_its_parts(tmp_path, scene):
    path = scene()
    copy_raster(path, tmp_path / "m.vrt", driver="VRT")
    before = identity_of(tmp_path / "m.vrt")
    assert before.startswith("2 files")
    scene(value=2)
    assert identity_of(tmp_path / "m.vrt") != before


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_where_a_server_tells_nothing_a_sample_serves(scene, monkeypatch):
    monkeypatch.setattr(identity_module, "is_remote", lambda path: True)
    monkeypatch.setattr(identity_module, "web_identity", lambda path: None)
    path = scene()
    before = identity_of(path)
    assert before.startswith("sample ")
    assert identity_of(path) == before
    with rasterio.open(scene(value=3)):
        assert identity_of(path) != before

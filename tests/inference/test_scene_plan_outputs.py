import numpy as np
import pytest
import rasterio.shutil

from overland.errors import UsageError
from overland.inference.options import PredictOptions
from overland.inference.scene_plan import plan_outputs
from scenes import utm_grid, write_image


def test_one_input_has_the_outputs_that_are_named(tmp_path):
    options = PredictOptions(probabilities=tmp_path / "p.tif")
    (outputs,) = plan_outputs(["s.tif"], tmp_path / "o.png", options)
    assert outputs.mask == tmp_path / "o.png"
    assert dict(outputs.files) == {"mask": tmp_path / "o.png", "probabilities": tmp_path / "p.tif"}


@pytest.mark.parametrize(
    ("source", "name"),
    [("a/s.vrt", "s.tif"), ("https://x.org/d/s.tiff?sig=a/b.c", "s.tif"), ("s3://b/k/s.jp2", "s.tif")],
)
def test_an_output_folder_gets_a_file_named_after_each_input(tmp_path, source, name):
    (tmp_path / "out").mkdir()
    (outputs,) = plan_outputs([source], tmp_path / "out")
    assert outputs.mask == tmp_path / "out" / name


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([], {"mask": "o.tif"}, "nothing to predict"),
        (["a.tif", "b.tif"], {"mask": "o.tif"}, "need a folder"),
        (["a.tif", "x/a.tif"], {"mask": "out"}, "would be written twice"),
        (["a.tif"], {"mask": "o.tif", "probabilities": "o.tif"}, "would be written twice"),
        (["a.tif"], {"mask": "a.tif"}, "is an input"),
        (["a.tif"], {"mask": "o.jpg"}, "suffix"),
        (["a.tif"], {"mask": "o.tif", "confidence": "c.png"}, "suffix"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(tmp_path, monkeypatch, inputs, outputs, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        plan_outputs(inputs, outputs.pop("mask"), PredictOptions(**outputs, overwrite=True))


def test_an_output_that_exists_is_refused_unless_told(tmp_path):
    (tmp_path / "o.tif").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        plan_outputs(["s.tif"], tmp_path / "o.tif")
    assert plan_outputs(["s.tif"], tmp_path / "o.tif", PredictOptions(overwrite=True))


@pytest.mark.parametrize("outputs", [{"mask": "scene.tif"}, {"mask": "o.tif", "probabilities": "scene.tif"}])
def test_the_files_behind_a_vrt_are_inputs_too(tmp_path, monkeypatch, outputs):
    monkeypatch.chdir(tmp_path)
    grid = utm_grid(20, 30)
    write_image(tmp_path / "scene.tif", np.ones((3, 20, 30), np.uint8), grid)
    rasterio.shutil.copy(tmp_path / "scene.tif", tmp_path / "mosaic.vrt", driver="VRT")
    before = (tmp_path / "scene.tif").read_bytes()
    with pytest.raises(UsageError, match="is an input, or a part of one"):
        plan_outputs(["mosaic.vrt"], outputs.pop("mask"), PredictOptions(**outputs, overwrite=True))
    assert (tmp_path / "scene.tif").read_bytes() == before

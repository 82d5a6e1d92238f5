import logging

import numpy as np
import pytest

from models_made import threshold_bundle
from overland.errors import DataError, UsageError
from overland.raster import Grid, create_raster
from overland.workflows.predict_jobs import predict_jobs

NOTHING = {
    "scores": None,
    "bands": None,
    "chip_size": None,
    "overlap": None,
    "overwrite": False,
}


@pytest.fixture
def bundle(tmp_path):
    return threshold_bundle(tmp_path / "m")


@pytest.fixture
def scene(tmp_path):
    def make(name="s.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with create_raster(tmp_path / name, Grid(40, 30)) as writer:
            writer.write(np.ones((40, 30), np.uint8), Grid(40, 30).window)
        return tmp_path / name

    return make


def test_one_input_has_the_output_that_is_named(tmp_path, bundle, scene):
    (job,) = predict_jobs(bundle, [scene()], tmp_path / "o.tif", **NOTHING)
    assert (job.output, job.scores, job.bands) == (tmp_path / "o.tif", None, (1,))
    assert job.plan.windows == 1
    assert job.output_bytes(1) == 40 * 30 * 4 / 3


def test_an_output_folder_gets_a_file_for_each_input(tmp_path, bundle, scene):
    (tmp_path / "out").mkdir()
    (job,) = predict_jobs(bundle, [scene()], tmp_path / "out", **NOTHING)
    assert job.output == tmp_path / "out" / "s.tif"


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ([], "o.tif", "nothing to predict"),
        (["a.tif", "b.tif"], "o.tif", "need a folder"),
        (["a.tif", "x/a.tif"], "out", "would be written twice"),
        (["a.tif"], "a.tif", "is an input"),
        (["a.tif"], "o.jpg", "suffix"),
    ],
)
def test_outputs_that_make_no_sense_are_refused(tmp_path, bundle, scene, inputs, output, message):
    sources = [scene(name) for name in inputs]
    with pytest.raises(UsageError, match=message):
        predict_jobs(bundle, sources, tmp_path / output, **{**NOTHING, "overwrite": True})


def test_an_output_that_exists_is_refused_before_anything_is_done(tmp_path, bundle, scene):
    (tmp_path / "o.tif").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        predict_jobs(bundle, [scene()], tmp_path / "o.tif", **NOTHING)


def test_scores_are_geotiffs_only(tmp_path, bundle, scene):
    with pytest.raises(UsageError, match="suffix"):
        predict_jobs(bundle, [scene()], tmp_path / "o.tif", **{**NOTHING, "scores": tmp_path / "s.png"})


def test_one_bad_input_among_many_is_found_before_the_first_is_predicted(tmp_path, bundle, scene):
    (tmp_path / "bad.tif").write_text("no raster")
    with pytest.raises(DataError, match=r"bad\.tif"):
        predict_jobs(bundle, [scene(), tmp_path / "bad.tif"], tmp_path / "out", **NOTHING)


def test_a_chip_size_that_is_no_multiple_is_rounded_up_and_told(tmp_path, bundle, scene, caplog):
    with caplog.at_level(logging.INFO, logger="overland"):
        predict_jobs(bundle, [scene()], tmp_path / "o.tif", **{**NOTHING, "chip_size": 25})
    assert "at most 32 pixels" in caplog.text

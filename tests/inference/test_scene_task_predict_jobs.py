import logging

import numpy as np
import pytest

from models_made import threshold_bundle
from overland.errors import DataError
from overland.inference import open_engine
from overland.inference.ensemble import open_ensemble
from overland.inference.scene_task import PredictOptions, plan_outputs, plan_scene_runs
from overland.raster import Grid, create_raster
from scenes import utm_grid


@pytest.fixture
def ensemble(tmp_path):
    bundle = threshold_bundle(tmp_path / "m")
    # One stream: with more, a small scene becomes as many windows, on any machine another number.
    return open_ensemble(bundle, (), open_engine(bundle, "onnx", workers=1), "auto", None)


@pytest.fixture
def scene(tmp_path):
    def make(name="s.tif", grid=Grid(height=40, width=30)):  # noqa: B008 - frozen
        with create_raster(tmp_path / name, grid) as writer:
            writer.write(np.ones((grid.height, grid.width), np.uint8), grid.window)
        return tmp_path / name

    return make


def jobs_of(sources, output, ensemble, **options):
    return plan_scene_runs(plan_outputs(sources, {"mask": output}), ensemble, PredictOptions(**options))


def test_a_scene_is_planned_whole(tmp_path, ensemble, scene):
    (job,) = jobs_of([scene()], tmp_path / "o.tif", ensemble)
    assert (job.mask, job.bands, job.windows) == (tmp_path / "o.tif", (1,), 1)
    assert job.megapixels == pytest.approx(40 * 30 / 1e6)
    assert job.grid == Grid(height=40, width=30)


def test_less_memory_means_smaller_windows(tmp_path, ensemble, scene):
    path = scene(grid=Grid(height=900, width=900))
    (large,) = jobs_of([path], tmp_path / "o.tif", ensemble, max_memory_mb=8000.0)
    (small,) = jobs_of([path], tmp_path / "o.tif", ensemble, max_memory_mb=350.0)
    assert large.windows == 1
    assert small.windows > 4
    assert small.memory_mb < large.memory_mb


def test_a_part_has_a_grid_of_its_own(tmp_path, ensemble, scene):
    path = scene(grid=utm_grid(40, 30))
    (job,) = jobs_of([path], tmp_path / "o.tif", ensemble, limits=(500_005.0, 5_199_970.0, 500_020.0, 5_199_990.0))
    assert (job.grid.height, job.grid.width) == (20, 15)
    assert job.grid.bounds == (500_005, 5_199_970, 500_020, 5_199_990)


def test_bounds_beside_every_scene_are_refused_with_where_it_is(tmp_path, ensemble, scene):
    path = scene(grid=utm_grid(40, 30))
    with pytest.raises(DataError, match=r"do not meet; .*500000 5199960 500030 5200000 \(EPSG:32633\)"):
        jobs_of([path], tmp_path / "o.tif", ensemble, limits=(5.0, 50.0, 6.0, 51.0))


def test_a_scene_beside_the_bounds_is_left_out_among_others(tmp_path, ensemble, scene, caplog):
    paths = [scene("a.tif", utm_grid(40, 30)), scene("b.tif", Grid(height=40, width=30))]
    with caplog.at_level(logging.INFO, logger="overland"):
        jobs = jobs_of(paths, tmp_path / "out", ensemble, limits=(500_000.0, 5_199_990.0, 500_010.0, 5_200_000.0))
    assert [job.source for job in jobs] == [str(paths[0])]
    assert "b.tif lies beside the area" in caplog.text


def test_one_bad_input_among_many_is_found_before_the_first_is_predicted(tmp_path, ensemble, scene):
    (tmp_path / "bad.tif").write_text("no raster")
    with pytest.raises(DataError, match=r"bad\.tif"):
        jobs_of([scene(), tmp_path / "bad.tif"], tmp_path / "out", ensemble)


def test_a_chip_size_that_is_no_multiple_is_rounded_up_and_told(tmp_path, ensemble, scene, caplog):
    with caplog.at_level(logging.INFO, logger="overland"):
        jobs_of([scene()], tmp_path / "o.tif", ensemble, chip_size=25)
    assert "at most 32 pixels" in caplog.text


def test_a_small_scene_keeps_every_stream_busy(tmp_path, scene):
    bundle = threshold_bundle(tmp_path / "two")
    ensemble = open_ensemble(bundle, (), open_engine(bundle, "onnx", workers=2), "auto", None)
    (job,) = jobs_of([scene(grid=Grid(height=900, width=900))], tmp_path / "o.tif", ensemble)
    assert job.windows == 2

import logging

import numpy as np
import pytest

from models_made import threshold_bundle
from overland.errors import DataError, ResourceError, UsageError
from overland.inference import memory
from overland.inference.ensemble import load_models
from overland.inference.options import PredictOptions
from overland.inference.scene_plan import plan_outputs, plan_scene_runs
from overland.raster import Grid, create_raster
from scenes import utm_grid


@pytest.fixture
def models(tmp_path):
    return load_models(threshold_bundle(tmp_path / "m", bytes_per_pixel=100.0, window=256))


@pytest.fixture
def scene(tmp_path):
    def make(name="s.tif", grid=Grid(height=40, width=30)):  # noqa: B008 - frozen
        with create_raster(tmp_path / name, grid) as writer:
            writer.write(np.ones((grid.height, grid.width), np.uint8), grid.window)
        return tmp_path / name

    return make


def runs_of(sources, output, models, **options):
    options = PredictOptions(**options)
    return plan_scene_runs(plan_outputs(sources, output, options), models, options)


def test_a_scene_is_planned_whole(tmp_path, models, scene):
    (run,) = runs_of([scene()], tmp_path / "o.tif", models)
    assert (run.mask, run.bands, run.windows) == (tmp_path / "o.tif", (1,), 1)
    assert run.megapixels == pytest.approx(40 * 30 / 1e6)
    assert run.grid == Grid(height=40, width=30)


@pytest.mark.parametrize("free_mb", [600.0, 8000.0, None])
@pytest.mark.parametrize("cpus", [1, 2, 16])
def test_the_windows_are_the_models_on_every_machine(tmp_path, models, scene, monkeypatch, free_mb, cpus):
    monkeypatch.setattr(memory, "available_memory_mb", lambda: free_mb)
    monkeypatch.setattr(memory, "cpu_count", lambda: cpus)
    path = scene(grid=Grid(height=900, width=900))
    (run,) = runs_of([path], tmp_path / "o.tif", models)
    (other,) = runs_of([path], tmp_path / "o.tif", models, max_memory="8GB")
    assert run.plan == other.plan
    assert (run.plan.rows.chip, run.windows) == (240, 16)


def test_memory_decides_how_many_windows_at_once(tmp_path, models, scene, monkeypatch):
    monkeypatch.setattr(memory, "available_memory_mb", lambda: 4000.0)
    (run,) = runs_of([scene(grid=Grid(height=900, width=900))], tmp_path / "o.tif", models)
    assert run.max_workers(run.memory_mb(1) + 0.1) == 1
    assert run.max_workers(run.memory_mb(3) + 0.1) == 3
    assert run.memory_mb(3) > run.memory_mb(1)


def test_a_window_that_does_not_fit_is_refused_with_what_to_set(tmp_path, models, scene, monkeypatch):
    monkeypatch.setattr(memory, "available_memory_mb", lambda: 100.0)
    (run,) = runs_of([scene()], tmp_path / "o.tif", models)
    with pytest.raises(ResourceError, match="--chip-size"):
        run.max_workers(None)
    with pytest.raises(UsageError, match="--max-memory allows 200 MB.*--chip-size"):
        run.max_workers(200.0)


def test_a_part_has_a_grid_of_its_own(tmp_path, models, scene):
    path = scene(grid=utm_grid(40, 30))
    (run,) = runs_of([path], tmp_path / "o.tif", models, bounds=(500_005.0, 5_199_970.0, 500_020.0, 5_199_990.0))
    assert (run.grid.height, run.grid.width) == (20, 15)
    assert run.grid.bounds == (500_005, 5_199_970, 500_020, 5_199_990)


def test_bounds_outside_every_scene_are_refused_with_where_it_is(tmp_path, models, scene):
    path = scene(grid=utm_grid(40, 30))
    with pytest.raises(DataError, match=r"do not meet; .*500000 5199960 500030 5200000 \(EPSG:32633\)"):
        runs_of([path], tmp_path / "o.tif", models, bounds=(5.0, 50.0, 6.0, 51.0))


def test_a_scene_outside_the_bounds_is_left_out_among_others(tmp_path, models, scene, caplog):
    paths = [scene("a.tif", utm_grid(40, 30)), scene("b.tif", Grid(height=40, width=30))]
    with caplog.at_level(logging.INFO, logger="overland"):
        runs = runs_of(paths, tmp_path / "out", models, bounds=(500_000.0, 5_199_990.0, 500_010.0, 5_200_000.0))
    assert [run.source for run in runs] == [str(paths[0])]
    assert "b.tif lies outside the area" in caplog.text


def test_one_bad_input_among_many_is_found_before_the_first_is_predicted(tmp_path, models, scene):
    (tmp_path / "bad.tif").write_text("no raster")
    with pytest.raises(DataError, match=r"bad\.tif"):
        runs_of([scene(), tmp_path / "bad.tif"], tmp_path / "out", models)


def test_a_chip_size_that_is_no_multiple_is_rounded_up_and_told(tmp_path, models, scene, caplog):
    with caplog.at_level(logging.INFO, logger="overland"):
        runs_of([scene()], tmp_path / "o.tif", models, chip_size=25)
    assert "at most 32 pixels" in caplog.text

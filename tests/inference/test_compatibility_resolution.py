import dataclasses
import logging
import math

import numpy as np
import pytest
from affine import Affine

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.inference.compatibility import choose_resampling, resolution_range_m
from overland.raster import Grid, open_scene
from scenes import utm_grid, write_image


@pytest.fixture
def model(tmp_path):
    return lambda **settings: threshold_bundle(tmp_path / "m", **{"resolution_m": 1.0, **settings})


@pytest.fixture
def scene(tmp_path):
    def make(grid):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.tif"
        return open_scene(write_image(path, np.ones((1, grid.height, grid.width), np.uint8), grid))

    return make


def chosen(bundle, scene, mode="auto"):
    found = choose_resampling(bundle, scene, mode)
    return None if found is None else (found.rows.size, found.cols.size)


@pytest.mark.parametrize(
    ("metres", "size"),
    [
        (1.0, None),
        (0.9, None),
        (1.14, None),
        (0.8, (32, 48)),
        (0.5, (20, 30)),
        (0.06, (2, 4)),
        (0.04, None),
        (2.0, (80, 120)),
        (4.0, (160, 240)),
        (4.1, None),
    ],
)
def test_a_scene_is_resampled_where_it_differs_and_can_be(model, scene, metres, size):
    assert chosen(model(), scene(utm_grid(40, 60, metres))) == size


def test_each_axis_counts_for_itself(model, scene):
    grid = Grid(height=40, width=60, transform=Affine(1, 0, 500_000, 0, -2, 5_200_000), crs="EPSG:32633")
    assert chosen(model(), scene(grid)) == (80, 60)


def test_in_degrees_pixels_become_square_on_the_ground(model, scene):
    side = 2 / 111_320
    grid = Grid(height=100, width=100, transform=Affine(side, 0, 10, 0, -side, 60 + 50 * side), crs="EPSG:4326")
    assert chosen(model(), scene(grid)) == (200, 100)


def test_web_mercator_is_measured_on_the_ground(model, scene):
    y = 6_378_137 * math.asinh(math.tan(math.radians(60)))
    grid = Grid(height=100, width=100, transform=Affine(2, 0, 0, 0, -2, y + 100), crs="EPSG:3857")
    # On the ellipsoid; a sphere would say 1.
    assert grid.resolution_m == pytest.approx(1.00168, rel=1e-4)
    assert chosen(model(), scene(grid)) is None


def test_without_a_place_or_a_known_resolution_a_scene_stays_as_it_is(model, scene, caplog):
    caplog.set_level(logging.INFO, "overland")
    assert chosen(model(), scene(Grid(height=40, width=60))) is None
    assert chosen(model(resolution_m=None), scene(utm_grid(40, 60, 5))) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("metres", "mode", "level", "parts"),
    [
        (0.5, "auto", "INFO", ["pixels of 0.5 m", "knows 1 m", "resampled for the network", "--resample off"]),
        (3.0, "auto", "WARNING", ["pixels of 3 m", "resampled", "meant for 0.05 to 2 m: expect a poor map"]),
        (8.0, "auto", "WARNING", ["pixels of 8 m", "taken as it is", "meant for 0.05 to 2 m"]),
        (0.5, "off", "WARNING", ["pixels of 0.5 m", "trained on 1 m", "taken as it is. Expect a poor map"]),
    ],
)
def test_one_line_says_what_is_done(model, scene, caplog, metres, mode, level, parts):
    caplog.set_level(logging.INFO, "overland")
    choose_resampling(model(), scene(utm_grid(40, 60, metres)), mode)
    (record,) = caplog.records
    assert record.levelname == level
    assert all(part in record.getMessage() for part in parts), record.getMessage()


def test_the_range_is_that_of_the_card_where_it_has_one(model, scene, caplog):
    caplog.set_level(logging.WARNING, "overland")
    bundle = dataclasses.replace(model(), data={"resolution_range_m": [0.5, 2.0]})
    assert resolution_range_m(bundle) == (0.5, 2.0)
    assert resolution_range_m(model(resolution_m=None)) is None
    choose_resampling(bundle, scene(utm_grid(40, 60, 0.3)))
    assert "meant for 0.5 to 2 m" in caplog.text
    caplog.clear()
    choose_resampling(bundle, scene(utm_grid(40, 60, 0.5)))
    assert not caplog.records


def test_another_mode_is_refused(model, scene):
    with pytest.raises(UsageError, match="no resampling 'on'; choose one of auto, off"):
        choose_resampling(model(), scene(utm_grid(4, 4, 1)), "on")

import threading

import numpy as np
import pytest

from overland.inference import plan_windows
from overland.inference.measure import probe_seconds
from overland.raster import Grid, Window, create_raster, open_scene


class Meeting:
    """A scorer that takes until as many calls as it has streams are under way."""

    num_scores = 1

    def __init__(self, streams):
        self.streams, self.shapes = streams, []
        self.all_there = threading.Barrier(streams)

    def score(self, pixels, valid):
        self.shapes.append(pixels.shape)
        self.all_there.wait(5)
        return np.zeros((1, *valid.shape), np.float32)


@pytest.fixture
def scene(tmp_path):
    with create_raster(tmp_path / "s.tif", Grid(300, 300)) as writer:
        writer.write(np.ones((300, 300), np.uint8), Grid(300, 300).window)
    with open_scene(tmp_path / "s.tif") as scene:
        yield scene


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_three_windows_are_run_as_often_at_once_as_the_run_does(scene, streams):
    plan = plan_windows(300, 300, chip_size=64, halo=4, divisor=8)
    scorer = Meeting(streams)
    assert probe_seconds(scorer, scene, (1,), plan) > 0
    # The first window is run once more before, because an engine sets itself up.
    assert scorer.shapes == [(1, plan.rows.chip, plan.cols.chip)] * (4 * streams)


def test_a_region_of_one_window_is_run_alone(scene):
    class Region:
        window = Window(col_off=10, row_off=10, width=20, height=20)

        def inside(self, window):
            return None

    plan = plan_windows(300, 300, chip_size=64, halo=4, divisor=8)
    scorer = Meeting(1)
    scorer.streams = 2
    assert probe_seconds(scorer, scene, (1,), plan, region=Region()) > 0
    assert len(scorer.shapes) == 2

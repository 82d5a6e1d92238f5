import threading

import numpy as np
import pytest

from overland.inference import plan_windows
from overland.inference.measure import probe_seconds
from overland.raster import Grid, Window, create_raster, open_scene


class Meeting:
    """A classifier that takes until as many calls as it has workers are under way."""

    num_outputs = 1

    def __init__(self, workers):
        self.workers, self.shapes = workers, []
        self.all_there = threading.Barrier(workers)

    def classify(self, pixels, valid):
        self.shapes.append(pixels.shape)
        self.all_there.wait(5)
        return np.zeros((1, *valid.shape), np.float32)


@pytest.fixture
def scene(tmp_path):
    with create_raster(tmp_path / "s.tif", Grid(height=300, width=300)) as writer:
        writer.write(np.ones((300, 300), np.uint8), Grid(height=300, width=300).window)
    with open_scene(tmp_path / "s.tif") as scene:
        yield scene


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_three_windows_are_run_as_often_at_once_as_the_run_does(scene, workers):
    plan = plan_windows(300, 300, chip_size=64, halo=4, divisor=8)
    classifier = Meeting(workers)
    assert probe_seconds(classifier, scene, (1,), plan) > 0
    # The first window is run once more before, because an engine sets itself up.
    assert classifier.shapes == [(1, plan.rows.chip, plan.cols.chip)] * (4 * workers)


def test_a_region_of_one_window_is_run_alone(scene):
    class Region:
        window = Window(col_off=10, row_off=10, width=20, height=20)

        def inside(self, window):
            return None

    plan = plan_windows(300, 300, chip_size=64, halo=4, divisor=8)
    classifier = Meeting(1)
    classifier.workers = 2
    assert probe_seconds(classifier, scene, (1,), plan, region=Region()) > 0
    assert len(classifier.shapes) == 2

import logging
import sys

import numpy as np
import pytest

from models_made import made_bundle, threshold_bundle
from overland.inference import memory as footprint
from overland.inference.memory import measure_memory_per_pixel
from overland.legend import legend_from_names


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are exact where /proc tells them")
def test_the_channels_of_a_network_take_their_memory(tmp_path):
    legend = legend_from_names([f"class {index}" for index in range(48)])
    weight = np.zeros((48, 3, 3, 3))
    bundle = made_bundle(tmp_path / "m", weight, np.zeros(48), legend=legend, activation="softmax")
    # Its channels in float32 once at least, and a few times at most.
    assert 48 * 4 <= measure_memory_per_pixel(bundle) <= 4 * 48 * 4


def test_none_where_the_system_tells_no_peak(tmp_path, monkeypatch):
    monkeypatch.setattr(footprint, "_CHILD", "import sys; sys.stdout.write('None')")
    assert measure_memory_per_pixel(threshold_bundle(tmp_path / "m")) is None


def test_none_and_the_reason_where_a_chip_cannot_be_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(footprint, "_CHILD", "raise MemoryError('no room')")
    with caplog.at_level(logging.WARNING, "overland"):
        assert measure_memory_per_pixel(threshold_bundle(tmp_path / "m")) is None
    assert "MemoryError: no room" in caplog.text

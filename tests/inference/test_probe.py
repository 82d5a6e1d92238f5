import numpy as np

from models_made import threshold_bundle
from overland.inference import open_engine, plan_windows
from overland.inference.probe import probe_seconds
from overland.raster import Grid, create_raster, open_scene


def test_the_estimate_comes_from_at_most_three_windows(tmp_path, monkeypatch):
    bundle = threshold_bundle(tmp_path / "m")
    with create_raster(tmp_path / "s.tif", Grid(300, 300)) as writer:
        writer.write(np.ones((300, 300), np.uint8), Grid(300, 300).window)
    engine = open_engine(bundle)
    runs = []
    monkeypatch.setattr(engine, "run", lambda chips: runs.append(chips.shape) or chips)
    plan = plan_windows(300, 300, chip_size=64, halo=4, divisor=8)
    with open_scene(tmp_path / "s.tif") as scene:
        seconds = probe_seconds(bundle, engine, scene, (1,), plan)
    assert seconds > 0
    assert runs == [(1, 1, 64, 64)] * 4  # the first one twice, because an engine sets itself up

"""The map depends on the model, the engine, the scene and the options, and on nothing of the machine."""

import hashlib

import numpy as np
import pytest

from overland.inference import memory
from overland.inference.engines import onnx, openvino
from overland.raster import create_raster
from overland.workflows.predict import predict
from scenes import utm_grid


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "s.tif"
    coarse = np.random.default_rng(0).integers(20, 200, (3, 35, 33), dtype=np.uint8)
    grid = utm_grid(560, 528)
    with create_raster(path, grid, count=3) as writer:
        writer.write(coarse.repeat(16, axis=1).repeat(16, axis=2), grid.window)
    return path


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_one_two_and_four_threads_and_any_memory_give_the_same_bytes(tmp_path, scene, monkeypatch, engine):
    found = set()
    at_once = set()
    for threads, max_memory, free_mb in (
        (1, None, 900.0),
        (2, "700MB", 16_000.0),
        (2, "8GB", 64_000.0),
        (4, "8GB", None),
    ):
        for module in (onnx, openvino, memory):
            monkeypatch.setattr(module, "cpu_count", lambda threads=threads: threads)
        monkeypatch.setattr(memory, "available_memory_mb", lambda free_mb=free_mb: free_mb)
        values = predict(
            "roads",
            scene,
            tmp_path / "mask.tif",
            probabilities=tmp_path / "p.tif",
            engine=engine,
            chip_size=320,
            max_memory=max_memory,
            overwrite=True,
        )
        at_once.add(values.workers)
        found.add(tuple(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("mask.tif", "p.tif")))
    assert len(found) == 1
    assert {1, 2, 4} <= at_once


def test_the_window_of_the_model_is_planned_on_every_machine(tmp_path, scene, monkeypatch):
    plans = set()
    for free_mb, cpus in ((2500.0, 1), (16_000.0, 2), (None, 64)):
        monkeypatch.setattr(memory, "available_memory_mb", lambda free_mb=free_mb: free_mb)
        monkeypatch.setattr(memory, "cpu_count", lambda cpus=cpus: cpus)
        values = predict("roads", scene, tmp_path / "o.tif", engine="onnx", dry_run=True)
        plans.add((tuple(values.scenes[0].chip_size), values.windows, values.scenes[0].overlap))
    assert len(plans) == 1

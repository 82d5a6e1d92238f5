"""Checkpoints: verified before a run goes on, the one before is kept, a damaged one is named."""

import numpy as np
import pytest

from scenes import write_road_dataset

pytest.importorskip("torch")

from overland.datasets import read_dataset
from overland.datasets.chips import band_statistics
from overland.errors import DataError
from overland.models import model_settings
from overland.training.loop import prepare_training
from overland.training.run_folder import read_history
from overland.training.settings import TrainSettings

SETTINGS = TrainSettings(model={"width": 4, "depth": 1}, epochs=2, batch=4, imgsz=32, lr=0.01)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    dataset = read_dataset(write_road_dataset(tmp_path_factory.mktemp("roads"), train=2, val=1, side=64))
    model = model_settings(SETTINGS.model, in_channels=3, classes=1)
    statistics = band_statistics(dataset, "train")
    return lambda: prepare_training(dataset, SETTINGS, model, statistics)


@pytest.fixture
def run(prepared, tmp_path):
    """A run folder whose run was whole, and its model."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run", prepared().run(tmp_path / "run")


def spoil(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(prepared, run, caplog):
    folder, whole = run
    spoil(folder / "weights" / "last.ckpt")
    resumed = prepared().run(folder, resume=True)
    assert "last.ckpt is damaged or cut off" in caplog.text
    assert "previous.ckpt of epoch 1" in caplog.text
    assert [row["epoch"] for row in read_history(folder / "results.csv")] == [1, 2]
    for name, value in whole["last"].weights.items():
        np.testing.assert_array_equal(resumed["last"].weights[name], value)


def test_a_kill_between_two_checkpoints_loses_nothing(prepared, run):
    folder, _ = run
    (folder / "weights" / "last.ckpt").unlink()
    assert prepared().run(folder, resume=True)["last"].graph


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_without_a_checkpoint_that_can_be_read_there_is_one_clear_error(prepared, run, content):
    folder, _ = run
    for name in ("last.ckpt", "previous.ckpt"):
        path = folder / "weights" / name
        spoil(path) if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"previous\.ckpt is damaged or cut off"):
        prepared().run(folder, resume=True)


def test_a_damaged_best_epoch_does_not_end_the_run(prepared, run, caplog):
    folder, _ = run
    spoil(folder / "weights" / "best.ckpt")
    assert prepared().run(folder, resume=True)["best"].graph
    assert "best.ckpt is damaged or cut off" in caplog.text

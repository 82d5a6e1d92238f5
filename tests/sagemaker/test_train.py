"""Whole jobs on a made /opt/ml with a network of a few hundred weights."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from overland.bundle import load_bundle
from overland.errors import DataError, UsageError
from overland.sagemaker import train as sagemaker_train
from overland.sagemaker.job import StopRequest, read_job
from overland.sagemaker.train import TrainJobResult, _epochs_kept, train_job
from sagemaker_made import TINY, write_job

METRIC = re.compile(r"#quality_metric\. host: algo-1, epoch: (\d+), ([\w: ]+): ([\d.e-]+) \.$")


def run_scene(root: Path, **environ: str) -> tuple[TrainJobResult, list[tuple[str, ...]]]:
    said: list[str] = []
    values = train_job(root, environ, said.append)
    found = [METRIC.search(line) for line in said]
    assert all(found), said
    return values, [match.groups() for match in found if match]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainJobResult, list[tuple[str, ...]]]:
    """A job as road masks are mostly written, 0 and 255, with the label map that this needs."""
    label_map = {"map": {"0": 0, "1": 255}}
    hyperparameters = {**TINY, "num_classes": "2", "num_training_samples": "3"}
    root = write_job(tmp_path_factory.mktemp("job") / "ml", hyperparameters, road=255, label_map=label_map)
    return root, *run_scene(root)


def test_the_model_folder_holds_the_bundle_alone(done):
    root, values, _ = done
    assert values.model == str(root / "model")
    bundle = load_bundle(root / "model")
    assert bundle.legend.num_classes == 2
    assert sorted(path.name for path in (root / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
        "model.safetensors",
        "overland.json",
    ]


def test_figures_and_tables_are_in_the_output_folder(done):
    root, values, _ = done
    names = {path.name for path in (root / "output" / "data").iterdir()}
    assert {"results.csv", "results.png", "confusion_matrix.png", "metrics.json", "args.yaml"} <= names
    assert not (root / "output" / "failure").exists()
    assert not values.stopped


def test_each_epoch_has_its_lines_and_the_model_the_last_ones(done):
    _, values, metrics = done
    epochs = [int(epoch) for epoch, name, _ in metrics if name == "train loss"]
    assert epochs == [0, 1]
    last = {name: float(value) for _, name, value in metrics}
    assert last["validation mIOU"] == pytest.approx(values.val["pooled"]["miou"], abs=1e-5)
    assert last["validation pixel_accuracy"] > 0.5


def test_a_job_with_other_settings_does_not_go_on_with_these_checkpoints(done):
    root, _, _ = done
    path = root / "input" / "config" / "hyperparameters.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "lr": "0.5"}))
    with pytest.raises(UsageError, match=r"other settings: lr was 0\.01, is 0\.5\. Give the job a checkpoint_s3_uri"):
        run_scene(root)
    assert "lr was 0.01" in (root / "output" / "failure").read_text()
    path.write_text(before)


def test_the_published_failure_is_refused_before_the_first_step(tmp_path: Path):
    root = write_job(tmp_path / "ml", {"num_classes": "2", "num_training_samples": "3"}, road=255)
    with pytest.raises(DataError, match=r'this text: \{"map": \{"0": 0, "1": 255\}\}'):
        run_scene(root)
    assert '{"map": {"0": 0, "1": 255}}' in (root / "output" / "failure").read_text()
    assert not (root / "checkpoints").exists()
    assert not list((root / "model").iterdir())


def test_what_came_before_the_checkpoint_counts_and_what_came_after_does_not(tmp_path: Path):
    results, checkpoint = tmp_path / "results.csv", tmp_path / "weights" / "last.ckpt"
    assert _epochs_kept(tmp_path) == 0
    results.write_text("epoch\n1\n2\n")
    checkpoint.parent.mkdir()
    checkpoint.touch()
    os.utime(results, ns=(10, 10))
    os.utime(checkpoint, ns=(20, 20))
    assert _epochs_kept(tmp_path) == 2
    os.utime(checkpoint, ns=(5, 5))
    assert _epochs_kept(tmp_path) == 1


def test_a_model_that_cannot_be_scored_in_time_is_handed_over_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_job(tmp_path / "ml", TINY)
    job = read_job(root, {})
    (job.run / "weights").mkdir(parents=True)
    for name in ("args.yaml", "weights/best.ckpt", "weights/last.ckpt"):
        (job.run / name).write_text("data: /data\nepochs: 9\n")
    (job.run / "results.csv").write_text("epoch\n4\n")
    os.utime(job.run / "weights" / "last.ckpt")

    def save_and_score(resume: Path) -> None:
        values = yaml.safe_load((resume / "args.yaml").read_text())
        assert (values["data"], values["epochs"], values["minutes"]) == ("/data", 4, 0.0)
        (resume / "weights" / "best").mkdir()
        (resume / "weights" / "best" / "overland.json").write_text("{}")
        time.sleep(30)

    monkeypatch.setattr(sagemaker_train, "train", save_and_score)
    monkeypatch.setattr(sagemaker_train, "_STOP_WITHIN_S", 0.2)
    stop = StopRequest()
    stop.asked_at = time.monotonic()
    values = sagemaker_train._stop(job, stop)
    assert values.model == str(root / "model")
    assert (root / "model" / "overland.json").is_file()

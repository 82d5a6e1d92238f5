from pathlib import Path

import pytest

from overland.errors import DataError
from overland.sagemaker.train import hand_over_bundle, hand_over_figures, reason_kept_in


def test_a_bundle_replaces_what_an_earlier_attempt_left(tmp_path: Path):
    bundle, model = tmp_path / "best", tmp_path / "model"
    bundle.mkdir()
    for name in ("overland.json", "model.onnx", "config.json"):
        (bundle / name).write_text(name)
    model.mkdir()
    (model / "overland.json").write_text("old")
    hand_over_bundle(bundle, model)
    assert {path.name: path.read_text() for path in model.iterdir()} == {
        name: name for name in ("overland.json", "model.onnx", "config.json")
    }


def test_a_copy_that_is_cut_off_is_no_bundle(tmp_path: Path):
    bundle, model = tmp_path / "best", tmp_path / "model"
    (bundle / "model.onnx").mkdir(parents=True)  # a folder cannot be copied as a file
    (bundle / "overland.json").write_text("{}")
    model.mkdir()
    (model / "overland.json").write_text("old")
    with pytest.raises(OSError, match=r"model\.onnx"):
        hand_over_bundle(bundle, model)
    assert not (model / "overland.json").exists()


def test_figures_and_scores_are_copied_and_weights_are_not(tmp_path: Path):
    run = tmp_path / "run"
    (run / "val").mkdir(parents=True)
    (run / "weights").mkdir()
    for name in ("results.csv", "results.png", "results.csv.part", "val/metrics.json", "weights/last.ckpt"):
        (run / name).write_text(name)
    hand_over_figures(run, tmp_path / "output" / "data")
    names = sorted(path.name for path in (tmp_path / "output" / "data").iterdir())
    assert names == ["metrics.json", "results.csv", "results.png"]


def test_the_reason_of_a_failure_is_kept_in_1024_characters(tmp_path: Path):
    with pytest.raises(DataError), reason_kept_in(tmp_path):
        raise DataError("x" * 5000)
    assert (tmp_path / "output" / "failure").read_text() == "x" * 1024
    with reason_kept_in(tmp_path):
        pass
    assert not (tmp_path / "output" / "failure").exists()


def test_a_fault_names_its_kind(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), reason_kept_in(tmp_path):
        _ = 1 / 0
    assert (tmp_path / "output" / "failure").read_text() == "ZeroDivisionError: division by zero"


def test_where_no_job_is_nothing_is_made(tmp_path: Path):
    with pytest.raises(DataError), reason_kept_in(tmp_path / "none"):
        raise DataError("no job")
    assert not (tmp_path / "none").exists()

import pytest

pytest.importorskip("lightning")

from overland.training import loop as loggers
from overland.training.loop import run_loggers
from overland.training.settings import TrainSettings


def test_tensorboard_writes_into_the_run_folder(tmp_path):
    pytest.importorskip("tensorboard")
    (logger,) = run_loggers(TrainSettings(), tmp_path)
    logger.log_metrics({"val/iou": 0.5}, step=1)
    logger.finalize("success")
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_an_mlflow_server_is_told_the_settings(tmp_path, monkeypatch):
    told = []

    class Recorder:
        def __init__(self, experiment, *, run_name, tracking_uri):
            told.append((experiment, run_name, tracking_uri))

        def log_hyperparams(self, values):
            told.append(values["epochs"])

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    monkeypatch.setattr(loggers, "MLFlowLogger", Recorder)
    assert isinstance(run_loggers(TrainSettings(project="roads", epochs=7), tmp_path / "first")[-1], Recorder)
    assert told == [("roads", "first", "http://server"), 7]


def test_mlflow_that_is_not_there_is_a_warning(tmp_path, monkeypatch, caplog):
    def missing(*arguments, **options):
        raise ModuleNotFoundError("no mlflow")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    monkeypatch.setattr(loggers, "MLFlowLogger", missing)
    run_loggers(TrainSettings(), tmp_path)
    assert "MLflow cannot be used: no mlflow" in caplog.text

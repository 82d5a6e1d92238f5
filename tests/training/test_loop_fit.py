import numpy as np
import onnxruntime
import pytest

from scenes import write_road_dataset

pytest.importorskip("torch")

from overland.datasets import read_dataset
from overland.datasets.chips import band_statistics
from overland.errors import DataError, UsageError
from overland.models import model_settings
from overland.training.loop import fit
from overland.training.run_folder import read_history
from overland.training.settings import Reproduce, TrainSettings

SETTINGS = {"model": {"width": 8, "depth": 2}, "epochs": 3, "batch": 4, "imgsz": 32, "lr": 0.01}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return read_dataset(write_road_dataset(tmp_path_factory.mktemp("roads")))


def run(dataset, folder, *, resume=False, **changes):
    config = TrainSettings(**(SETTINGS | changes))
    model = model_settings(config.model, in_channels=3, classes=1)
    folder.mkdir(exist_ok=True)
    return fit(dataset, config, model, band_statistics(dataset, "train"), folder, resume=resume)


@pytest.fixture(scope="module")
def whole_run(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return run(dataset, folder), folder


def assert_same_weights(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, other.weights[name], err_msg=name)


def test_it_learns(whole_run):
    rows = read_history(whole_run[1] / "results.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert rows[-1]["val/iou"] > 0.8


def test_a_seed_gives_the_same_run(dataset, whole_run, tmp_path):
    assert_same_weights(run(dataset, tmp_path / "again")["best"], whole_run[0]["best"])


def test_another_seed_gives_another_run(dataset, whole_run, tmp_path):
    other = run(dataset, tmp_path / "other", seed=1)["best"].weights
    assert any(not np.array_equal(value, other[name]) for name, value in whole_run[0]["best"].weights.items())


class CutOffError(Exception):
    pass


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(dataset, whole_run, tmp_path, monkeypatch):
    from overland.training.module import SegmentationModule

    step = SegmentationModule.training_step

    def killed(self, batch, index):
        if self.current_epoch == 2:
            raise CutOffError
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", killed)
        with pytest.raises(CutOffError):
            run(dataset, tmp_path / "cut")
    assert len(read_history(tmp_path / "cut" / "results.csv")) == 2
    resumed = run(dataset, tmp_path / "cut", resume=True)
    assert_same_weights(resumed["last"], whole_run[0]["last"])
    rows, expected = (read_history(folder / "results.csv") for folder in (tmp_path / "cut", whole_run[1]))
    for row, other in zip(rows, expected, strict=True):
        assert row | {"time_s": 0} == other | {"time_s": 0}


def test_ctrl_c_passes_through(dataset, tmp_path, monkeypatch):
    import signal

    from overland.training.module import SegmentationModule

    def interrupted(self, batch, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(SegmentationModule, "training_step", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(dataset, tmp_path / "cut")
    finally:
        signal.signal(signal.SIGINT, handler)


def test_early_stopping(dataset, tmp_path):
    # With next to no learning rate nothing gets better, so patience runs out.
    run(dataset, tmp_path / "early", epochs=9, patience=1, lr=1e-12, ema=0)
    assert len(read_history(tmp_path / "early" / "results.csv")) < 9


def test_nothing_to_resume(dataset, tmp_path):
    with pytest.raises(DataError, match="nothing to resume"):
        run(dataset, tmp_path / "new", resume=True)


def test_a_chip_size_that_does_not_fit_the_network(dataset, tmp_path):
    with pytest.raises(UsageError, match="imgsz must be a multiple of 4"):
        run(dataset, tmp_path / "odd", imgsz=30)


def test_minutes_end_the_run_within_an_epoch_and_its_model_is_saved(dataset, tmp_path):
    models = run(dataset, tmp_path / "short", epochs=10_000, minutes=1e-4)
    rows = read_history(tmp_path / "short" / "results.csv")
    assert len(rows) == 1
    assert rows[0]["val/iou"] >= 0
    assert models["best"].graph


def test_the_last_epoch_is_kept_where_a_published_system_did(dataset, tmp_path):
    fault = Reproduce(keep_last_epoch=True)
    models = run(dataset, tmp_path / "last", reproduce=fault, patience=1, epochs=2, ema=0)
    assert len(read_history(tmp_path / "last" / "results.csv")) == 2
    assert_same_weights(models["best"], models["last"])


def test_no_early_stop_within_the_least_number_of_epochs(dataset, tmp_path):
    # Nothing counts as progress, so that without min_epochs the second epoch would be the last.
    run(dataset, tmp_path / "patient", patience=1, min_delta=10.0, min_epochs=3, epochs=9)
    assert len(read_history(tmp_path / "patient" / "results.csv")) == 4


@pytest.mark.parametrize(("optimizer", "schedule"), [("sgd", "poly"), ("rmsprop", "plateau"), ("nag", "step")])
def test_optimisers_and_schedules_run(dataset, tmp_path, optimizer, schedule):
    run(dataset, tmp_path / "run", optimizer=optimizer, schedule=schedule, lr_epochs=(1,), epochs=2, lr=0.001)
    rows = read_history(tmp_path / "run" / "results.csv")
    assert rows[-1]["lr"] <= rows[0]["lr"] <= 0.001


def test_a_network_of_a_fixed_size_takes_images_of_any_size(dataset, tmp_path):
    config = TrainSettings(**SETTINGS | {"reproduce": Reproduce(resize=32), "epochs": 1})
    model = model_settings(config.model | {"fixed_size": 32}, in_channels=3, classes=1)
    (tmp_path / "run").mkdir()
    trained = fit(dataset, config, model, band_statistics(dataset, "train"), tmp_path / "run")["best"]
    assert trained.size_divisor == 1
    session = onnxruntime.InferenceSession(trained.graph)
    assert session.run(None, {"image": np.zeros((1, 3, 50, 71), np.float32)})[0].shape == (1, 1, 50, 71)

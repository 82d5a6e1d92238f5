import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from overland.cli import overland
from overland.training.settings import TrainSettings
from scenes import write_road_dataset

FAST = ["--epochs", "1", "--imgsz", "32", "--batch", "4"]


def run(*words, env=None):
    return CliRunner().invoke(overland, [str(word) for word in words], env=env)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file of settings and a dataset."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.yaml").write_text("model: {width: 4, depth: 2}\nepochs: 7\nimgsz: 32\nbatch: 4\n")
    return folder / "own.yaml", write_road_dataset(folder / "roads", train=2, val=1, side=64)


def test_every_setting_is_an_option_of_the_same_name():
    help_text = run("train", "--help").output
    for name in TrainSettings.__dataclass_fields__:
        assert name == "reproduce" or f"--{name.replace('_', '-')}" in help_text


def test_a_flag_wins_over_the_environment_and_that_over_the_file(own, tmp_path):
    config, data = own
    project = ["--project", tmp_path, "--quiet", "--json"]
    environment = {"OVERLAND_TRAIN_EPOCHS": "2"}
    by_environment = run("train", config, "--data", data, *project, env=environment)
    by_flag = run("train", config, "--data", data, "--epochs", "1", *project, env=environment)
    for done, epochs in ((by_environment, 2), (by_flag, 1)):
        assert done.exit_code == 0, done.stderr
        folder = Path(json.loads(done.stdout)["run"])
        assert len((folder / "results.csv").read_text(encoding="utf-8").splitlines()) == 1 + epochs


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["train"], 2, "--data"),
        (["train", "no-such-recipe", "--data", "x"], 2, "There is no recipe"),
        (["train", "--data", "no-such-folder"], 3, "does not exist"),
        (["train", "--data", "x", "--bands", "red"], 2, "whole numbers with commas"),
        (["train", "--data", "x", "--device", "gpu"], 2, "is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (["train", "demo", "--resume", "x"], 2, "give it alone"),
        (["train", "--resume", "no-such-run"], 3, "not the folder of a run"),
    ],
)
def test_a_mistake_is_one_clear_error(words, exit_code, message):
    pytest.importorskip("torch")
    done = run(*words)
    assert done.exit_code == exit_code
    assert message in done.stderr
    assert "Traceback" not in done.stderr

import json
from pathlib import Path

import pytest

from overland.errors import DataError, UsageError
from overland.sagemaker.job import read_job
from sagemaker_made import write_job

PUBLISHED = {"algorithm": "fcn", "num_classes": "2", "num_training_samples": "3"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_job(tmp_path / "ml", PUBLISHED)


def configure(root: Path, name: str, values: object) -> None:
    (root / "input" / "config" / f"{name}.json").write_text(json.dumps(values))


def test_a_job_has_the_places_of_the_contract(root: Path) -> None:
    job = read_job(root, {})
    assert (job.data, job.has_four_channels, job.host) == (root / "input" / "data", True, "algo-1")
    assert (job.model_dir, job.output_dir) == (root / "model", root / "output" / "data")
    assert job.run == root / "checkpoints" / "run"
    assert job.hyperparameters == PUBLISHED


def test_variables_win_over_the_tree(root: Path, tmp_path: Path) -> None:
    job = read_job(root, {"SM_MODEL_DIR": "/m", "SM_OUTPUT_DATA_DIR": "/o", "SM_CURRENT_HOST": "algo-7"})
    assert (job.model_dir, job.output_dir, job.host) == (Path("/m"), Path("/o"), "algo-7")
    moved = (root / "input" / "data").rename(tmp_path / "elsewhere")
    names = ("train", "validation", "train_annotation", "validation_annotation")
    assert read_job(root, {f"SM_CHANNEL_{name.upper()}": str(moved / name) for name in names}).data == moved


def test_hyperparameters_may_come_from_the_environment(root: Path) -> None:
    (root / "input" / "config" / "hyperparameters.json").unlink()
    job = read_job(root, {"SM_HPS": json.dumps({"epochs": 3, "algorithm": "psp", "early_stopping": True})})
    assert job.hyperparameters == {"epochs": "3", "algorithm": "psp", "early_stopping": "true"}


def test_texts_that_were_written_as_json_twice_are_read_and_keys_of_others_left(root: Path) -> None:
    values = {"algorithm": '"psp"', "epochs": '"3"', "_tuning_objective_metric": "x", "sagemaker_region": '"eu"'}
    configure(root, "hyperparameters", values)
    assert read_job(root, {}).hyperparameters == {"algorithm": "psp", "epochs": "3"}


def test_one_channel_may_hold_a_whole_dataset(root: Path) -> None:
    (root / "input" / "data").rename(root / "input" / "all")
    (root / "input" / "data").mkdir()
    (root / "input" / "all").rename(root / "input" / "data" / "training")
    configure(root, "inputdataconfig", {"training": {}})
    job = read_job(root, {})
    assert (job.data, job.has_four_channels) == (root / "input" / "data" / "training", False)


def test_weights_come_by_a_channel_of_their_own(root: Path) -> None:
    folder = root / "input" / "data" / "encoder_weights"
    folder.mkdir()
    with pytest.raises(DataError, match="must hold one file of weights"):
        read_job(root, {})
    (folder / "resnet50.safetensors").touch()
    assert read_job(root, {}).encoder_weights == folder / "resnet50.safetensors"


@pytest.mark.parametrize(
    ("config", "values", "error", "message"),
    [
        ("resourceconfig", {"hosts": ["algo-1", "algo-2"]}, UsageError, "has 2 instances.*Set instance_count to 1"),
        ("inputdataconfig", {"train": {"TrainingInputMode": "Pipe"}}, UsageError, "train is in Pipe mode"),
        ("hyperparameters", ["fcn"], DataError, "must hold a JSON object; found list"),
    ],
)
def test_what_cannot_be_is_refused(root: Path, config: str, values: object, error: type, message: str) -> None:
    configure(root, config, values)
    with pytest.raises(error, match=message):
        read_job(root, {})


def test_a_missing_channel_is_named(root: Path) -> None:
    (root / "input" / "data" / "validation_annotation").rename(root / "gone")
    with pytest.raises(DataError, match="lacks the channel validation_annotation; it has train, train_annotation"):
        read_job(root, {})


def test_no_job_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"hyperparameters.json does not exist and SM_HPS is not set"):
        read_job(tmp_path, {})

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from made_sets import make_mask, save, write_set
from overland.cli.data import command


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["check", *map(str, arguments)])


def test_a_good_set_exits_with_0_and_a_verdict(tmp_path: Path) -> None:
    result = run(write_set(tmp_path))
    assert result.exit_code == 0
    assert "road                       25.00%       4        25.00%       2" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 errors, 0 warnings: ready for training."


def test_what_training_takes_is_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    result = run(write_set(tmp_path, high=255))
    assert result.exit_code == 0
    assert "warning: unmapped-mask: " in result.stdout
    assert "label_mapping: {0: 0, 255: 1}" in result.stdout
    assert "Traceback" not in result.output
    assert result.stdout.count("binarised at 128") == 1


def test_an_error_exits_with_3_and_names_the_file(tmp_path: Path) -> None:
    write_set(tmp_path)
    save(tmp_path / "masks/train/img-1.png", make_mask(high=255))
    result = run(tmp_path)
    assert result.exit_code == 3
    assert "error: mixed-coding: 1 mask with 0 and 255 where the others hold 0 and 1: train/img-1.png" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 error, 0 warnings: correct the errors first."
    assert "Traceback" not in result.output


def test_json_is_one_object_and_the_issues_are_said_on_stderr_too(tmp_path: Path) -> None:
    write_set(tmp_path)
    save(tmp_path / "masks/train/img-1.png", make_mask(high=255))
    result = run(tmp_path, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["issues"][0]["code"] == "mixed-coding"
    assert "error: mixed-coding: " in result.stderr


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_dataset_is_one_message(tmp_path: Path, name: str) -> None:
    result = run(tmp_path / name, "-q")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: ")


def test_the_help_has_examples() -> None:
    result = run("--help")
    assert "overland data check my-dataset" in result.output

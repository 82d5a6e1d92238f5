from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from made_sets import write_set
from overland.cli.data import command


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["check", *map(str, arguments)])


def test_a_good_set_exits_with_0_and_a_verdict(tmp_path: Path) -> None:
    result = run(write_set(tmp_path))
    assert result.exit_code == 0
    assert "road                       25.00%       4        25.00%       2" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 errors, 0 warnings: ready for training."


def test_an_error_exits_with_3_and_says_what_to_do(tmp_path: Path) -> None:
    result = run(write_set(tmp_path, high=255))
    assert result.exit_code == 3
    assert "error: unmapped-mask: " in result.stdout
    assert "label_mapping: {0: 0, 255: 1}" in result.stdout
    assert "Traceback" not in result.output
    assert result.stdout.count("binarised at 128") == 1


def test_json_is_one_object(tmp_path: Path) -> None:
    result = run(write_set(tmp_path, high=255), "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["issues"][0]["code"] == "unmapped-mask"


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_dataset_is_one_message(tmp_path: Path, name: str) -> None:
    result = run(tmp_path / name, "-q")
    assert result.exit_code == 3
    assert result.stderr.startswith("Error: ")


def test_the_help_has_examples() -> None:
    result = run("--help")
    assert "overland data check my-dataset" in result.output

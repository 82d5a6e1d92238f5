from __future__ import annotations

import json
from pathlib import Path

import pytest

from made_sets import write_set
from overland.errors import DataError
from overland.workflows.check_data import check_data


def test_the_report_is_plain_values(tmp_path: Path) -> None:
    result = check_data(write_set(tmp_path))
    values = result.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert result.ok
    assert result.classes == ("background", "road")
    assert values["label_mapping"]["kind"] == "ids"
    assert result.splits["val"].images == 2


def test_issues_name_few_files_and_count_all(tmp_path: Path) -> None:
    write_set(tmp_path, train=9)
    for index in range(7):
        (tmp_path / f"masks/train/img-{index}.png").unlink()
    (issue,) = check_data(tmp_path).to_dict()["issues"]
    assert (issue["code"], len(issue["files"]), issue["files_count"]) == ("missing-mask", 5, 7)


def test_the_split_is_that_of_a_training(tmp_path: Path) -> None:
    values = check_data(write_set(tmp_path, train=10, val=0), val_fraction=0.4, seed=1)
    assert values.splits["val"].images == 4


def test_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no dataset"):
        check_data(tmp_path)

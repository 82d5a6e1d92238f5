from __future__ import annotations

from pathlib import Path

import pytest

from models_made import threshold_bundle
from overland.errors import UsageError
from overland.web.jobs.limits import find_models


def test_models_are_named_by_their_folders(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "roads")
    threshold_bundle(tmp_path / "deep" / "fields")
    assert set(find_models(tmp_path)) == {"roads", "fields"}
    assert set(find_models(tmp_path / "roads")) == {"roads"}
    assert set(find_models([tmp_path / "roads", tmp_path / "deep"])) == {"roads", "fields"}


def test_names_that_are_not_unique_take_their_parents(tmp_path: Path) -> None:
    for run in ("run1", "run2"):
        threshold_bundle(tmp_path / run / "weights" / "best")
    assert set(find_models(tmp_path)) == {"run1-weights-best", "run2-weights-best"}


def test_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no model in"):
        find_models(tmp_path)


def test_a_pretrained_model_is_offered_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(find_models([Path("roads")])) == ["roads"]
    (tmp_path / "roads").mkdir()
    with pytest.raises(UsageError, match="no model in roads"):
        find_models(Path("roads"))


def test_each_folder_must_hold_a_model(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "roads")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no model in .*empty"):
        find_models([tmp_path / "roads", tmp_path / "empty"])

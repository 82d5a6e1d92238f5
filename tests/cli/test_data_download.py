from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from download_made import SIGNATURE, TOKEN, deepglobe_road_files, kaggle_stub, zip_of
from overland.cli.data import command


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive.zip"
    path.write_bytes(zip_of(deepglobe_road_files()))
    return path


def download(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["download", *map(str, arguments)])


def test_a_download_says_what_it_is_and_what_comes_next(archive: Path, tmp_path: Path) -> None:
    result = download("deepglobe-road", "-o", tmp_path / "my roads", "--archive", archive)
    assert result.exit_code == 0, result.output
    first, second, *_ = result.stdout.splitlines()
    assert first == f"{tmp_path / 'my roads'}: deepglobe-road, downloaded"
    assert second == ("DeepGlobe tables; images: train 4, val 1, unlabelled 2 (no labels); classes: background, road")
    assert f"  overland train road-unet --data '{tmp_path / 'my roads'}'" in result.stdout
    assert "there already" in download("deepglobe-road", "-o", tmp_path / "my roads").stdout


def test_a_download_as_json_is_one_object(archive: Path, tmp_path: Path) -> None:
    result = download("deepglobe-road", "-o", tmp_path / "set", "--archive", archive, "--json")
    assert json.loads(result.stdout)["images"] == {"train": 4, "val": 1, "unlabelled": 2}


@pytest.mark.parametrize(("arguments", "exit_code"), [(["nothing"], 2), (["camvid", "--archive", "gone.zip"], 3)])
def test_a_download_that_fails_is_one_message(tmp_path: Path, arguments: list[str], exit_code: int) -> None:
    result = download(*arguments, "-o", tmp_path / "set", "-q")
    assert result.exit_code == exit_code
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_option_shows_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kagglehub", reason="downloads from Kaggle need overland[data]")
    archives = {"deepglobe-road-extraction-dataset.zip": zip_of(deepglobe_road_files())}
    with kaggle_stub(archives, monkeypatch, tmp_path) as stub:
        monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
        for statuses, exit_code in (([0, 403], 4), ([0, 0, 403], 4), ([], 0)):
            stub.statuses = statuses
            result = download("deepglobe-road", "-o", tmp_path / "set", "-v", "--json")
            assert result.exit_code == exit_code, result.output
            assert TOKEN not in result.output
            assert SIGNATURE not in result.output
            json.loads(result.stdout)
    assert f"Bearer {TOKEN}" in stub.authorized

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("streamlit", reason="needs the extra web")

from models_made import threshold_bundle
from overland.cli import overland
from overland.web.app import launch
from overland.web.verbs import OSM_TILES


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the app was started with, instead of starting it."""
    calls: list[Any] = []
    monkeypatch.setattr(launch, "launch", lambda settings, *, host, port: calls.append((settings, host, port)))
    return calls


def test_finds_the_models_of_runs(started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    best = tmp_path / "runs/segment/roads/weights/best"
    best.mkdir(parents=True)
    (best / "overland.json").write_text("{}")
    assert CliRunner().invoke(overland, ["app"]).exit_code == 0
    ((settings, host, port),) = started
    assert settings.models == (best,)
    assert settings.tiles == OSM_TILES
    assert (host, port) == ("127.0.0.1", 8501)


def test_options_become_limits(started: list[Any], tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "bright")
    options = ["--models", str(tmp_path), "--max-bytes", "2M", "--keep-s", "60", "--tiles", "", "--port", "9000"]
    assert CliRunner().invoke(overland, ["app", *options]).exit_code == 0
    ((settings, _, port),) = started
    assert (settings.limits.max_bytes, settings.limits.keep_s, settings.tiles, port) == (2_000_000, 60, "", 9000)


def test_a_folder_without_a_model_is_refused(started: list[Any], tmp_path: Path) -> None:
    result = CliRunner().invoke(overland, ["app", "--json", "--models", str(tmp_path)])
    assert result.exit_code == 2
    assert "There is no model in" in json.loads(result.stdout)["error"]
    assert started == []


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(overland, ["app", "--json", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "Choose another --port" in json.loads(result.stdout)["error"]

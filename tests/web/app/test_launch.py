from __future__ import annotations

import socket
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="needs the extra web")

from streamlit import config

from overland.errors import UsageError
from overland.web.app.launch import AppSettings, launch, models_of_runs, streamlit_arguments
from overland.web.jobs.limits import Limits


def test_options_are_streamlits_own() -> None:
    arguments = streamlit_arguments(AppSettings(), "127.0.0.1", 8501)
    names = [argument[2:].split("=")[0] for argument in arguments if argument.startswith("--") and argument != "--"]
    unknown = [name for name in names if name not in config.get_config_options()]
    assert unknown == []
    assert {"server.enableXsrfProtection", "browser.gatherUsageStats"} <= set(names)


def test_uploads_are_bounded_where_they_arrive() -> None:
    arguments = streamlit_arguments(AppSettings(limits=Limits(max_bytes=7_500_000)), "127.0.0.1", 1)
    assert "--server.maxUploadSize=8" in arguments


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="cannot listen"):
            launch(AppSettings(), port=taken.getsockname()[1])


def test_models_of_runs_are_found(tmp_path: Path) -> None:
    for name in ("roads", "fields"):
        folder = tmp_path / "runs/segment" / name / "weights/best"
        folder.mkdir(parents=True)
        (folder / "overland.json").write_text("{}")
    found = [path.relative_to(tmp_path).parts[2] for path in models_of_runs(tmp_path)]
    assert found == ["fields", "roads"]

"""The server as a process of its own: it starts, answers, and loses nothing when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models_made import threshold_bundle
from scenes import write_image

pytest.importorskip("fastapi", reason="needs the extra web")
httpx = pytest.importorskip("httpx")

from overland.cli.serve import command

_WAIT_S = 600


@contextmanager
def _server(models: Path, jobs: Path, log: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with log.open("wb") as stderr:
        words = ["serve", "--models", str(models), "--jobs-folder", str(jobs), "--port", "0", "--queue", "100"]
        process = subprocess.Popen(
            [sys.executable, "-c", "from overland.cli import main; main()", *words],
            stderr=stderr,
            env=os.environ | environment,
        )
    try:
        yield process, _address(process, log)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("Listening on "):
                return line.removeprefix("Listening on ")
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")
def test_no_accepted_job_is_lost_when_it_is_stopped(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "bright", bands=3)
    image = write_image(tmp_path / "image.tif", np.full((3, 400, 400), 200, np.uint8)).read_bytes()
    jobs = tmp_path / "jobs"
    with _server(tmp_path / "bright", jobs, tmp_path / "first.log") as (process, url):
        locations = [httpx.post(f"{url}/v1/jobs", content=image).headers["location"] for _ in range(6)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WAIT_S) == 0
        # The worker is gone with it.
        assert "kept for the next start" in (tmp_path / "first.log").read_text()
    kept = [json.loads(path.read_text())["state"] for path in jobs.glob("*/job.json")]
    assert len(kept) == 6
    assert set(kept) <= {"queued", "done"}
    with _server(tmp_path / "bright", jobs, tmp_path / "second.log") as (_, url):
        assert {_ended(url + location) for location in locations} == {"done"}


def _ended(url: str) -> str:
    deadline = time.monotonic() + _WAIT_S
    state = "queued"
    while state in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.02)
        state = httpx.get(url).json()["state"]
    return state


def test_key_comes_from_the_environment(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "bright", bands=3)
    with _server(tmp_path / "bright", tmp_path / "jobs", tmp_path / "log", OVERLAND_API_KEY="s3cret") as (_, url):
        assert httpx.get(f"{url}/v1/models").status_code == 401
        assert httpx.get(f"{url}/v1/models", headers={"X-API-Key": "s3cret"}).status_code == 200


def test_taken_port_is_an_error_in_words(tmp_path: Path) -> None:
    threshold_bundle(tmp_path / "bright", bands=3)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(command, ["--models", str(tmp_path), "--port", port])
    assert result.exit_code == 2
    assert "cannot be listened on" in result.output
    assert "Traceback" not in result.output


def test_folder_without_models_is_an_error_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--models", str(tmp_path), "--port", "0"])
    assert result.exit_code == 2
    assert "There is no model" in result.output


@pytest.mark.parametrize("text", [None, "\n"])
def test_key_file_must_hold_a_key(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    result = CliRunner().invoke(command, ["--models", str(tmp_path), "--api-key-file", str(tmp_path / "key")])
    assert result.exit_code == 2
    assert "--api-key-file" in result.output

"""The container's two commands as processes: what SageMaker starts, stops and asks."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from models_made import threshold_bundle
from overland.bundle import load_bundle
from overland.cli.sagemaker import command
from sagemaker_made import TINY, write_job

_WAIT_S = 100
_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")


@contextmanager
def _process(*words: str, **streams: object) -> Iterator[subprocess.Popen[str]]:
    code = "from overland.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, "sagemaker", *words], text=True, **streams)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_wrong_hyperparameters_are_one_message_and_the_failure_file(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = write_job(tmp_path / "ml", {"num_classes": "2", "epochs": "none", "optimiser": "sgd"})
    result = CliRunner().invoke(command, ["train", "--root", str(root)])
    assert result.exit_code == 2
    reason = (root / "output" / "failure").read_text()
    assert f"Error: {reason}" in result.stderr
    assert "did you mean optimizer?" in reason
    assert "Traceback" not in result.output


def test_a_folder_that_is_no_job_is_said(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    result = CliRunner().invoke(command, ["train", "--root", str(tmp_path / "none"), "--json"])
    assert result.exit_code == 3
    assert "so this is no training job" in json.loads(result.stdout)["error"]


@_POSIX
def test_a_job_that_is_stopped_leaves_a_model_and_goes_on_later(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = write_job(tmp_path / "ml", {**TINY, "epochs": "100000"})
    run = root / "checkpoints" / "run"
    with _process("train", "--root", str(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        # The lines of an epoch tell that the one before it has its checkpoint.
        assert any("epoch: 1, train loss" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 0, said
    assert f"goes on from {run}" in rest
    assert load_bundle(root / "model").metrics["val"]["split"] == "val"
    assert (root / "output" / "data" / "results.csv").is_file()
    assert not (root / "output" / "failure").exists()
    assert not (run / "weights" / "best").exists()
    epochs = _end_soon(root)
    result = CliRunner().invoke(command, ["train", "--root", str(root)])
    assert result.exit_code == 0, result.output
    found = re.findall(r"epoch: (\d+), train loss", result.stdout)
    assert found == [str(epochs)], "epochs go on, counted from 0"
    assert f"Model: {root / 'model'}" in result.stdout


def _end_soon(root: Path) -> int:
    """Make it a job of one epoch more than it has done; gives how many that are."""
    path, args = root / "input" / "config" / "hyperparameters.json", root / "checkpoints" / "run" / "args.yaml"
    epochs = len((root / "checkpoints" / "run" / "results.csv").read_text().splitlines()) - 1
    values = yaml.safe_load(args.read_text())
    assert values["epochs"] == 100000, "the run itself was not touched"
    path.write_text(json.dumps({**json.loads(path.read_text()), "epochs": str(epochs + 1)}))
    args.write_text(yaml.safe_dump({**values, "epochs": epochs + 1}))
    return epochs


@_POSIX
def test_an_endpoint_answers_and_stops(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra web")
    httpx = pytest.importorskip("httpx")
    threshold_bundle(tmp_path / "model", bands=3)
    pixels = np.full((48, 64, 3), 40, np.uint8)
    pixels[:, :32] = 200
    image = io.BytesIO()
    Image.fromarray(pixels).save(image, "PNG")
    log = tmp_path / "log"
    words = ("serve", "--root", str(tmp_path), "--host", "127.0.0.1", "--port", "0")
    with log.open("w") as stderr, _process(*words, stderr=stderr) as process:
        url = _address(process, log)
        deadline = time.monotonic() + _WAIT_S
        while httpx.get(f"{url}/ping").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        answer = httpx.post(
            f"{url}/invocations", content=image.getvalue(), headers={"Content-Type": "image/png"}, timeout=_WAIT_S
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        ids = np.array(Image.open(io.BytesIO(answer.content)))
        assert (ids == (np.arange(64) < 32)).all()
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WAIT_S) == 0


def _address(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("Listening on "):
                return line.removeprefix("Listening on ")
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_an_endpoint_without_a_model_says_so(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra web")
    result = CliRunner().invoke(command, ["serve", "--root", str(tmp_path), "--host", "127.0.0.1", "--port", "0"])
    assert result.exit_code == 2
    assert f"There is no model in {tmp_path / 'model'}" in result.stderr

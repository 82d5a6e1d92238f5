"""The corpus of bad uploads, through HTTP: each is refused clearly or is in truth fine, and nothing else happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from overland.web.jobs.folder import LOCK, MARKER
from overland.web.jobs.queue import JobQueue
from overland.web.rest.server import make_app
from web.bad_uploads import BadUpload, bad_uploads, good_tiff

_IDS = [upload.id for upload in bad_uploads("http://127.0.0.1:9", Path("secret.tif"))]
# Of processor time, which other processes on the machine do not lengthen.
_SLOWEST_S = 2.0


@pytest.fixture(scope="module")
def uploads(listener, secret: Path) -> dict[str, BadUpload]:
    return {upload.id: upload for upload in bad_uploads(listener.url, secret)}


@pytest.fixture(scope="module")
def client(queue: JobQueue) -> Iterator[TestClient]:
    with TestClient(make_app(queue), raise_server_exceptions=False) as client:
        # Started and warm, so that the time of the first request is its own.
        assert client.post("/v1/segment", content=good_tiff()).status_code == 200
        yield client


def test_there_are_many() -> None:
    assert len(_IDS) >= 40


@pytest.mark.parametrize("id", _IDS)
def test_upload(
    id: str, uploads: dict[str, BadUpload], client: TestClient, queue: JobQueue, listener, secret: Path, tmp_path: Path
) -> None:
    upload = uploads[id]
    before = set(tmp_path.parent.rglob("*")) | set(Path("/tmp").glob("overland-escaped*"))
    started = _worker_seconds(queue)
    answer = client.post("/v1/segment", **_sent(upload))
    seconds = _worker_seconds(queue) - started
    assert answer.status_code in upload.statuses, answer.text
    if answer.status_code != 200:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert problem["title"]
        # Said in words, without our paths, and nothing is told of other files.
        assert str(queue.folder) not in answer.text
        assert str(secret) not in answer.text
        assert "Traceback" not in answer.text
    assert seconds < _SLOWEST_S
    assert listener.asked == []
    assert set(tmp_path.parent.rglob("*")) | set(Path("/tmp").glob("overland-escaped*")) == before
    assert {path.name for path in queue.folder.iterdir()} == {LOCK, MARKER}


def _worker_seconds(queue: JobQueue) -> float:
    """Processor time of the workers; one that was replaced has none of the old one's."""
    if sys.platform != "linux":
        return 0.0
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in queue.worker_pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def _sent(upload: BadUpload) -> dict[str, Any]:
    # A name travels in a form alone.
    if upload.id.startswith("name:"):
        return {"files": {"image": (upload.filename, upload.data)}}
    return {"content": upload.data}


def test_server_is_well_after_all(client: TestClient, queue: JobQueue) -> None:
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/segment", content=good_tiff()).status_code == 200

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models_made import threshold_bundle
from scenes import utm_grid, write_image

pytest.importorskip("fastapi", reason="needs the extra web")

from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import JobQueue
from web.patience import PATIENCE_S

TIGHT = Limits(
    max_bytes=1_000_000,
    max_pixels=4_000_000,
    max_bands=8,
    memory_mb=700,
    timeout_s=PATIENCE_S,
    sync_pixels=4_000_000,
    wait_s=PATIENCE_S,
)


class Listener(http.server.ThreadingHTTPServer):
    """A web server on this machine that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of roads that are brighter than 127.5."""
    folder = tmp_path_factory.mktemp("models")
    threshold_bundle(folder / "bright", bands=3)
    return folder


@pytest.fixture(scope="session")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster on the server that no client may see."""
    return write_image(tmp_path_factory.mktemp("secret") / "secret.tif", np.full((1, 16, 16), 77, np.uint8))


@pytest.fixture(scope="session")
def queue(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobQueue]:
    with JobQueue(models, TIGHT, folder=tmp_path_factory.mktemp("queue")) as queue:
        yield queue


@pytest.fixture(scope="session")
def half_bright(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A georeferenced image of 60 x 80 whose left half is road for the model."""
    pixels = np.full((3, 60, 80), 40, np.uint8)
    pixels[:, :, :40] = 200
    path = tmp_path_factory.mktemp("images") / "half.tif"
    return write_image(path, pixels, utm_grid(60, 80)).read_bytes()

"""Connections as the network makes them: clients that go away, that send slowly, or nothing at all."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import JobQueue
from overland.web.rest import middleware, server
from overland.web.rest.server import make_app
from scenes import utm_grid, write_image
from web.patience import PATIENCE_S, wait_until


@contextmanager
def listening(queue: JobQueue) -> Iterator[tuple[str, int]]:
    """A server in a thread of this process, and its address."""
    listener = server._listening("127.0.0.1", 0)
    config = uvicorn.Config(
        make_app(queue), http=server._ImpatientProtocol, log_level="warning", access_log=False, lifespan="off"
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])))
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE_S)


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEADERS_S", 0.3)
    monkeypatch.setattr(middleware, "_BODY_S", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_connection_without_a_request_is_closed(queue: JobQueue, start: bytes) -> None:
    with listening(queue) as address, connect(address) as connection:
        connection.sendall(start)
        assert answer_of(connection) == b""


@pytest.mark.usefixtures("impatient")
def test_a_body_that_comes_too_slowly_is_cut(queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nII*"
    with caplog.at_level(logging.INFO, "overland"), listening(queue) as address, connect(address) as connection:
        connection.sendall(head)
        answer = answer_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert [record.getMessage() for record in caplog.records if "bytes of the body" in record.getMessage()]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.usefixtures("impatient")
def test_whoever_only_waits_for_its_map_is_not_cut(models: Path, half_bright: bytes) -> None:
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with JobQueue(models) as queue, listening(queue) as address, connect(address) as connection:
        # The worker is not up yet: this takes longer than a sender may.
        connection.sendall(head % len(half_bright) + half_bright)
        assert answer_of(connection).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_away_is_one_quiet_line(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (3, 1600, 1600), dtype=np.uint8) * 255
    image = write_image(tmp_path / "large.tif", pixels, utm_grid(1600, 1600)).read_bytes()
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with JobQueue(models, Limits()) as queue, caplog.at_level(logging.INFO), listening(queue) as address:
        with connect(address) as connection:
            connection.sendall(head % len(image) + image[:1000])
        wait_until(lambda: lines(caplog) == 1)
        with connect(address) as connection:
            connection.sendall(head % len(image) + image)
            wait_until(lambda: queue.jobs)
        # Nobody waits for the map any more, and nobody works on it.
        wait_until(lambda: lines(caplog) == 2)
        wait_until(lambda: queue.jobs == [])
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def lines(caplog: pytest.LogCaptureFixture) -> int:
    return sum("the client went away" in record.getMessage() for record in caplog.records)

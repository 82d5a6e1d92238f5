"""The server process: it opens the job queue and the port, and stops without losing a job that it has accepted."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import h11
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from overland.errors import UsageError
from overland.version import __version__
from overland.web.jobs.job import ENDED
from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import JobQueue
from overland.web.rest.health import Metrics, MetricsMiddleware, health_router, home_page
from overland.web.rest.middleware import AccessMiddleware
from overland.web.rest.problems import add_problem_handlers
from overland.web.rest.routes import GRACE_S, jobs_router, models_router, segment_router, tiles_router

__all__ = ["Stopped", "known_hosts", "make_app", "run_server"]

logger = logging.getLogger(__name__)

# What a form adds to the file in it: boundaries, headers and a few short fields.
_FORM_BYTES = 1 << 16
# Answers on their way to slow clients may take so much longer than the maps that they wait for.
_SENDING_S = 5.0
# From the first byte of a connection to the last of a request's headers.
_HEADERS_S = 15.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})


class Stopped(NamedTuple):
    """The end of a server.

    Args:
        url: Where it listened.
        jobs: How many jobs it knew when it stopped.
        unfinished: How many of them had not ended.
    """

    url: str
    jobs: int
    unfinished: int


def make_app(
    queue: JobQueue,
    *,
    api_key: str | None = None,
    hosts: Collection[str] | None = None,
    stop: asyncio.Event | None = None,
) -> FastAPI:
    """Make the service as one ASGI app.

    Args:
        queue: The job queue, which stays the caller's to close.
        api_key: The key that every route asks for but those of health, the list of routes and the description.
        hosts: Names that the server is known by; None for any.
        stop: Set by the caller when the server begins to stop.

    Returns:
        The app.
    """
    stop = stop or asyncio.Event()
    metrics = Metrics(queue)
    max_body_bytes = queue.limits.max_bytes + _FORM_BYTES
    app = FastAPI(
        title="Overland",
        version=__version__,
        summary="Satellite imagery in, maps out.",
        # Their pages load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    add_problem_handlers(app)
    app.add_middleware(AccessMiddleware, api_key=api_key, hosts=hosts, max_body_bytes=max_body_bytes)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    for router in (segment_router(queue, stop), jobs_router(queue), tiles_router(queue), models_router(queue)):
        app.include_router(router, max_body_size=max_body_bytes)
    app.include_router(health_router(queue, metrics, stop))

    @app.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return home_page(app)

    return app


def run_server(
    models: str | Path | Sequence[str | Path],
    *,
    host: str,
    port: int,
    api_key: str | None = None,
    jobs_folder: Path | None = None,
    allowed_hosts: Sequence[str] = (),
    limits: Limits | None = None,
    app: Callable[..., FastAPI] = make_app,
) -> Stopped:
    """Serve an app on a job queue until SIGTERM or SIGINT comes.

    Args:
        models: Folders that are bundles or hold them.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        api_key: The key that clients must send; None for none.
        jobs_folder: Keeps accepted jobs over restarts; without one they end with the process.
        allowed_hosts: Names by which clients may call the server, see `overland.web.verbs.serve`.
        limits: Bounds of uploads and of the work.
        app: Makes the app of a job queue, as `make_app` does.

    Returns:
        Where it listened, and the jobs that had not ended.

    Raises:
        UsageError: The port or the folder is taken, or there is no model.
    """
    if not models:
        raise UsageError("There is no model to serve; name one with --models.")
    with _listening(host, port) as listener, JobQueue(models, limits, folder=jobs_folder) as queue:
        address, number = listener.getsockname()[:2]
        url = f"http://[{address}]:{number}" if ":" in address else f"http://{address}:{number}"
        logger.info("Models: %s", ", ".join(sorted(queue.models)))
        # Whoever starts us with port 0 reads here which one it became.
        logger.info("Listening on %s", url)
        hosts = known_hosts(host, allowed_hosts)
        asyncio.run(_serve(listener, functools.partial(app, queue, api_key=api_key, hosts=hosts)))
        jobs = queue.jobs
        unfinished = sum(job.state not in ENDED for job in jobs)
        is_kept = jobs_folder is not None
        logger.info("Stopped; %d jobs are %s.", unfinished, "kept for the next start" if is_kept else "given up")
    return Stopped(url, len(jobs), unfinished)


def known_hosts(host: str, allowed: Sequence[str]) -> frozenset[str] | None:
    """Return the names that a server is known by.

    Args:
        host: Address that it listens on.
        allowed: Names that are allowed beside it; `*` for every name.

    Returns:
        The names in small letters; None for every name, as where it listens on every address and none is allowed.
    """
    if "*" in allowed or (host in _EVERY_ADDRESS and not allowed):
        return None
    return frozenset(name.strip().lower().removeprefix("[").removesuffix("]") for name in (*_LOOPBACK, host, *allowed))


async def _serve(listener: socket.socket, app: Callable[..., FastAPI]) -> None:
    stop = asyncio.Event()
    config = uvicorn.Config(
        app(stop=stop),
        http=_ImpatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=round(GRACE_S + _SENDING_S),
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def handle_exit(number: int, frame: FrameType | None) -> None:
        # uvicorn's own would raise the signal again before the queue is closed.
        loop.call_soon_threadsafe(stop.set)
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    server.handle_exit = handle_exit
    await server.serve(sockets=[listener])


class _ImpatientProtocol(H11Protocol):  # type: ignore[misc] # uvicorn is not read by mypy
    """HTTP of a connection that is closed when the headers of its next request do not come in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect_nothing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            # Answered before the body had come. Some of the rest is taken, or the client would not read the answer.
            self._expect_headers(_SENDING_S)
        else:
            self._expect_headers()

    def _expect_headers(self, seconds: float | None = None) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds or _HEADERS_S, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on ({error}). Choose another --port, or stop who has it."
        ) from error

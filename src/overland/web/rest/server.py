"""A process that serves: opens the desk and the port, and stops without losing what it has accepted."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from overland.errors import UsageError
from overland.version import __version__
from overland.web.jobs.job import ENDED
from overland.web.jobs.limits import Limits
from overland.web.jobs.queue import JobQueue
from overland.web.rest.access import AccessMiddleware
from overland.web.rest.health import Metrics, MetricsMiddleware, health_router, home_page
from overland.web.rest.problems import add_problem_handlers
from overland.web.rest.routes import GRACE_S, jobs_router, models_router, segment_router
from overland.web.rest.tiles import tiles_router

__all__ = [
    "make_app",
    "serve",
]


# The service as one ASGI app.

# What a form adds to the file in it: boundaries, headers and a few short fields.
_FORM_BYTES = 1 << 16


def make_app(desk: JobQueue, *, api_key: str | None = None, stop: asyncio.Event | None = None) -> FastAPI:
    """The service on a desk, which stays the caller's to close. `stop` is to be set when the server begins to stop.

    With `api_key` every route asks for it but those of health, the list of routes and the description.
    """
    stop = stop or asyncio.Event()
    metrics = Metrics()
    max_body_bytes = desk.limits.max_bytes + _FORM_BYTES
    app = FastAPI(
        title="Overland",
        version=__version__,
        summary="Satellite imagery in, maps out.",
        # Their pages load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    add_problem_handlers(app)
    app.add_middleware(AccessMiddleware, api_key=api_key, max_body_bytes=max_body_bytes)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    for router in (segment_router(desk, stop), jobs_router(desk), tiles_router(desk), models_router(desk)):
        app.include_router(router, max_body_size=max_body_bytes)
    app.include_router(health_router(desk, metrics, stop))

    @app.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return home_page(app)

    return app


logger = logging.getLogger("overland")

# Answers on their way to slow clients may take so much longer than the maps that they wait for.
_SENDING_S = 5.0


def serve(
    models: Path | Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    jobs_folder: Path | None = None,
    limits: Limits | None = None,
    app: Callable[..., FastAPI] = make_app,
) -> None:
    """Serve until SIGTERM or SIGINT comes.

    `models` are folders that are bundles or hold them. `jobs_folder` keeps accepted jobs over restarts; without one
    they end with the process. `app` makes the app of a desk, as `make_app` does. Raises `UsageError` when the
    port or the folder is taken, or where there is no model.
    """
    with _listening(host, port) as listener, JobQueue(models, limits, folder=jobs_folder) as desk:
        logger.info("Models: %s", ", ".join(sorted(desk.models)))
        # Whoever starts us with port 0 reads here which one it became.
        logger.info("Listening on http://%s:%d", *listener.getsockname()[:2])
        asyncio.run(_serve(listener, functools.partial(app, desk, api_key=api_key)))
        unfinished = sum(job.state not in ENDED for job in desk.jobs)
        logger.info("Stopped; %d jobs are %s.", unfinished, "kept for the next start" if jobs_folder else "given up")


async def _serve(listener: socket.socket, app: Callable[..., FastAPI]) -> None:
    stop = asyncio.Event()
    config = uvicorn.Config(
        app(stop=stop),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=round(GRACE_S + _SENDING_S),
    )
    server = uvicorn.Server(config)
    server.handle_exit = _signal_handler(server, stop.set)
    await server.serve(sockets=[listener])


def _signal_handler(server: Any, on_stop: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    """What is done at SIGTERM and SIGINT; uvicorn's own would raise the signal again before the desk is closed."""
    loop = asyncio.get_running_loop()

    def handle_exit(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(on_stop)
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    return handle_exit


def _listening(host: str, port: int) -> Any:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on ({error}). Choose another --port, or stop who has it."
        ) from error

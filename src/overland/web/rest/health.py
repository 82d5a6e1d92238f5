"""Numbers for Prometheus, written by hand: requests, durations, queue, jobs, memory."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overland.web.jobs.limits import RefusedError
from overland.web.jobs.queue import JobQueue
from overland.web.rest.problems import documented

__all__ = [
    "Metrics",
    "MetricsMiddleware",
    "health_router",
    "home_page",
    "metrics_text",
]


_BOUNDS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)
_STATES = ("queued", "running", "done", "failed", "cancelled")


class Metrics:
    """Counts of the requests that were answered; used in the event loop alone."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.within: Counter[float] = Counter()
        self.seconds = 0.0

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests[method, route, status] += 1
        self.seconds += seconds
        for bound in _BOUNDS_S:
            self.within[bound] += seconds <= bound


class MetricsMiddleware:
    """Counts every answer by the route's pattern, never by the path, which a stranger chooses."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and take the time."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.add(_method(scope["method"]), route, status, time.perf_counter() - started)


def metrics_text(metrics: Metrics, desk: JobQueue) -> str:
    """The numbers in Prometheus' text format, version 0.0.4."""
    return "\n".join([*_requests(metrics), *_durations(metrics), *_work(desk), *_memory(desk), ""])


def _requests(metrics: Metrics) -> Iterator[str]:
    yield "# HELP overland_requests_total Requests answered."
    yield "# TYPE overland_requests_total counter"
    for (method, route, status), count in sorted(metrics.requests.items()):
        yield f'overland_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'


def _durations(metrics: Metrics) -> Iterator[str]:
    total = metrics.requests.total()
    yield "# HELP overland_request_seconds Time to answer."
    yield "# TYPE overland_request_seconds histogram"
    for bound in _BOUNDS_S:
        yield f'overland_request_seconds_bucket{{le="{bound:g}"}} {metrics.within[bound]}'
    yield f'overland_request_seconds_bucket{{le="+Inf"}} {total}'
    yield f"overland_request_seconds_sum {metrics.seconds:.6f}"
    yield f"overland_request_seconds_count {total}"


def _work(desk: JobQueue) -> Iterator[str]:
    states: Counter[str] = Counter(job.state for job in desk.jobs)
    yield "# HELP overland_jobs Jobs that are kept, by state."
    yield "# TYPE overland_jobs gauge"
    for state in _STATES:
        yield f'overland_jobs{{state="{state}"}} {states[state]}'
    yield "# HELP overland_queue_length Tasks that wait for a worker."
    yield "# TYPE overland_queue_length gauge"
    yield f"overland_queue_length {desk.waiting}"


def _memory(desk: JobQueue) -> Iterator[str]:
    yield "# HELP overland_resident_memory_bytes Memory in use, of the server and of its workers."
    yield "# TYPE overland_resident_memory_bytes gauge"
    for name, pids in (("server", [os.getpid()]), ("workers", desk.worker_pids)):
        yield f'overland_resident_memory_bytes{{process="{name}"}} {sum(map(_resident_bytes, pids))}'


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        # Another system, or the process has just ended.
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH") else "other"


# The routes for machines that look after the server, and the plain page for people who open it.

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Overland</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}}
code{{font-size:.95em;overflow-wrap:anywhere}}td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}</style>
<h1>Overland</h1><p>Satellite imagery in, maps out. The interface is described in
<a href="openapi.json">openapi.json</a>.</p><table>{rows}</table></html>
"""


def health_router(desk: JobQueue, metrics: Metrics, stop: asyncio.Event) -> APIRouter:
    """The routes, on a desk; `stop` is set when the server stops."""
    router = APIRouter()

    @router.get("/healthz", summary="Is the server alive?")
    async def healthz() -> JSONResponse:
        """Answers as long as the process does."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Can it take images?", responses=documented(503))
    async def readyz() -> Response:
        """200 when the workers are up and the server does not stop, else 503."""
        if stop.is_set() or not desk.is_ready:
            raise RefusedError(503, "Not ready", "The workers are not up, or the server is stopping.", retry_after_s=2)
        return JSONResponse({"status": "ready", "waiting": desk.waiting})

    @router.get("/metrics", summary="Numbers for Prometheus", responses=documented(401))
    async def numbers() -> PlainTextResponse:
        """Requests, durations, queue, jobs, memory."""
        text = await asyncio.to_thread(metrics_text, metrics, desk)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return router


def home_page(app: FastAPI) -> HTMLResponse:
    """A page that lists the routes; it loads nothing from elsewhere."""
    rows = [
        f"<tr><td><code>{escape(method.upper())}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(_PAGE.format(rows="".join(rows)))

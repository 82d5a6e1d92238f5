"""Routes for those who look after the server: is it alive, can it take images, its numbers for Prometheus."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import suppress
from html import escape
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overland.web.jobs.job import State
from overland.web.jobs.queue import JobQueue
from overland.web.refusals import UnavailableError
from overland.web.rest.problems import documented

__all__ = ["Metrics", "MetricsMiddleware", "check_ready", "health_router", "home_page"]

_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)
_STATES: tuple[State, ...] = ("queued", "running", "done", "failed", "cancelled")
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})


class Metrics:
    """Numbers of one app for Prometheus: requests and their durations, the queue, jobs, memory.

    Args:
        queue: The job queue that is looked at when the numbers are asked for.
    """

    def __init__(self, queue: JobQueue) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "overland_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "overland_request_seconds", "Time to answer.", buckets=_BUCKETS_S, registry=self.registry
        )
        self.registry.register(_QueueCollector(queue))

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            method: HTTP method; one that HTTP does not have is counted as "other".
            route: Pattern of the route, never the path, which a client chooses.
            status: HTTP status of the answer.
            seconds: Time from the request to the end of the answer.
        """
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Return the numbers in Prometheus' text format."""
        return generate_latest(self.registry)


class _QueueCollector(Collector):
    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """Look at the queue and at the processes."""
        states = Tally(job.state for job in self._queue.jobs)
        jobs = GaugeMetricFamily("overland_jobs", "Jobs that are kept, by state.", labels=("state",))
        for state in _STATES:
            jobs.add_metric((state,), states[state])
        memory = GaugeMetricFamily(
            "overland_resident_memory_bytes", "Memory in use, of the server and of its workers.", labels=("process",)
        )
        for name, pids in (("server", [os.getpid()]), ("workers", self._queue.worker_pids)):
            pages = 0
            for pid in pids:
                # There is no such file on another system, or when the process has just ended.
                with suppress(OSError, IndexError):
                    pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            memory.add_metric((name,), pages * os.sysconf("SC_PAGE_SIZE") if pages else 0)
        yield jobs
        yield GaugeMetricFamily("overland_queue_length", "Tasks that wait for a worker.", value=self._queue.waiting)
        yield memory


class MetricsMiddleware:
    """Counts every answer by its route.

    Args:
        app: The application behind it.
        metrics: Where they are counted.
    """

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
            self._metrics.add(scope["method"], route, status, time.perf_counter() - started)


def check_ready(queue: JobQueue, stop: asyncio.Event) -> None:
    """Check that the server can take images.

    Args:
        queue: The job queue.
        stop: Set when the server begins to stop.

    Raises:
        UnavailableError: The workers are not up, or the server is stopping.
    """
    if stop.is_set() or not queue.is_ready:
        raise UnavailableError("The workers are not up, or the server is stopping.", title="Not ready", retry_after_s=2)


def health_router(queue: JobQueue, metrics: Metrics, stop: asyncio.Event) -> APIRouter:
    """Return the routes `/healthz`, `/readyz` and `/metrics`.

    Args:
        queue: The job queue.
        metrics: The numbers.
        stop: Set when the server begins to stop.
    """
    router = APIRouter()

    @router.get("/healthz", summary="Is the server alive?")
    async def healthz() -> JSONResponse:
        """Answers as long as the process does."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Can it take images?", responses=documented(503))
    async def readyz() -> Response:
        """200 when the workers are up and the server does not stop, else 503."""
        check_ready(queue, stop)
        return JSONResponse({"status": "ready", "waiting": queue.waiting})

    @router.get("/metrics", summary="Numbers for Prometheus", responses=documented(401))
    async def numbers() -> Response:
        """Requests, durations, queue, jobs, memory."""
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE_LATEST)

    return router


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Overland</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}}
code{{font-size:.95em;overflow-wrap:anywhere}}td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}</style>
<h1>Overland</h1><p>Satellite imagery in, maps out. The interface is described in
<a href="openapi.json">openapi.json</a>.</p><table>{rows}</table></html>
"""


def home_page(app: FastAPI) -> HTMLResponse:
    """Return a page that lists the routes; it loads nothing from elsewhere.

    Args:
        app: The app whose routes are listed.
    """
    rows = [
        f"<tr><td><code>{escape(method.upper())}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(_PAGE.format(rows="".join(rows)))

"""The routes for machines that look after the server, and the plain page for people who open it."""

from __future__ import annotations

import asyncio
from html import escape

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from overland.web.desk import Desk
from overland.web.errors import RefusedError
from overland.web.service.metrics import Metrics, metrics_text
from overland.web.service.problems import documented

__all__ = ["health_router", "home_page"]

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Overland</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}}
code{{font-size:.95em;overflow-wrap:anywhere}}td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}</style>
<h1>Overland</h1><p>Satellite imagery in, maps out. The interface is described in
<a href="openapi.json">openapi.json</a>.</p><table>{rows}</table></html>
"""


def health_router(desk: Desk, metrics: Metrics, stop: asyncio.Event) -> APIRouter:
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

"""The service as one ASGI app."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from overland import __version__
from overland.web.desk import Desk
from overland.web.service.access import AccessMiddleware
from overland.web.service.health import health_router, home_page
from overland.web.service.jobs import jobs_router
from overland.web.service.metrics import Metrics, MetricsMiddleware
from overland.web.service.models import models_router
from overland.web.service.problems import add_problem_handlers
from overland.web.service.segment import segment_router
from overland.web.service.tiles import tiles_router

__all__ = ["make_app"]

# What a form adds to the file in it: boundaries, headers and a few short fields.
_FORM_BYTES = 1 << 16


def make_app(desk: Desk, *, api_key: str | None = None, stop: asyncio.Event | None = None) -> FastAPI:
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

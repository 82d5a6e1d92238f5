"""POST /v1/segment: a small image in, its map out, in one request."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from overland.web.desk import Desk, Job, JobOptions
from overland.web.errors import RefusedError
from overland.web.service.negotiate import preferred_type
from overland.web.service.parameters import Parameters
from overland.web.service.problems import documented
from overland.web.service.uploads import REQUEST_BODY, read_upload
from overland.web.service.views import summary_view
from overland.web.tasks import stopping

__all__ = ["GRACE_S", "segment_router", "wait_for_map"]

# How long a map that is worked on while the server stops may take to be done.
GRACE_S = 15.0

_OFFERED = ("application/json", "image/png", "image/tiff", "application/geo+json")
_EXAMPLE = {
    "model": "roads",
    "image": {"height": 512, "width": 512, "crs": "EPSG:32633", "bounds": [500000, 5199488, 500512, 5200000]},
    "class_shares": {"background": 0.93, "road": 0.07},
    "areas": {"units": "metres", "classes": [{"class": 1, "name": "road", "area_m2": 18350.0, "share": 0.07}]},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The map in the form that Accept names.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            "image/png": _BINARY,
            "image/tiff": _BINARY,
            "application/geo+json": {"schema": {"type": "object"}},
        },
    },
    **documented(401, 404, 406, 413, 415, 422, 429, 503, 504),
}


def segment_router(desk: Desk, stop: asyncio.Event) -> APIRouter:
    """The route, on a desk; `stop` is set when the server stops."""
    router = APIRouter()

    @router.post(
        "/v1/segment", summary="Map a small image", responses=_RESPONSES, openapi_extra={"requestBody": REQUEST_BODY}
    )
    async def segment(
        request: Request,
        parameters: Parameters,
        vector: Annotated[Literal["polygons", "roads"], Query(description="What GeoJSON holds.")] = "polygons",
    ) -> Response:
        """Map an image and wait for it. Accept decides what comes back: a summary with areas (application/json), the
        class map as a palette image (image/png) or GeoTIFF (image/tiff), polygons or roads (application/geo+json).
        """
        media_type = preferred_type(request.headers.get("accept", ""), _OFFERED)
        products = {"image/png": ("mask.png",), "application/geo+json": (f"{vector}.geojson",)}.get(media_type, ())
        model = parameters.model_of(desk)
        desk.check_model(model)
        desk.check_room()
        options = JobOptions(
            threshold=parameters.threshold,
            bands=parameters.bands,
            tta=parameters.tta,
            scores=media_type == "application/geo+json",
            max_pixels=desk.limits.sync_pixels,
            products=products,
        )
        file, filename = await read_upload(request, desk.folder, desk.limits.max_bytes)
        with file:
            job = await asyncio.to_thread(desk.submit, model, file, filename=filename, options=options)
        try:
            await wait_for_map(job, desk.limits.wait_s, stop)
            return await asyncio.to_thread(_response, job, media_type, products)
        finally:
            await asyncio.to_thread(job.delete)

    return router


async def wait_for_map(
    job: Job, wait_s: float, stop: asyncio.Event, *, advice: str = "send the image to /v1/jobs"
) -> None:
    """Wait for the end of a job; while the server stops only for one that is worked on already.

    Raises the job's own `RefusedError`, or one of 503 while the server stops and 504 with `advice` after `wait_s`.
    """
    ended = asyncio.wrap_future(job.ended)
    stopped = asyncio.ensure_future(stop.wait())
    either: list[asyncio.Future[Any]] = [ended, stopped]
    try:
        await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set() and job.state == "running":
            await asyncio.wait([ended], timeout=min(wait_s, GRACE_S))
    finally:
        stopped.cancel()
    if job.error is not None:
        raise job.error
    if stop.is_set() and not ended.done():
        raise stopping()
    if not ended.done():
        raise RefusedError(504, "Too slow", f"The map was not done within {wait_s:g} s; {advice}.")


def _response(job: Job, media_type: str, products: tuple[str, ...]) -> Response:
    if media_type == "application/json":
        return JSONResponse(summary_view(job))
    name = products[0] if products else "mask.tif"
    return Response((job.folder / name).read_bytes(), media_type=media_type)

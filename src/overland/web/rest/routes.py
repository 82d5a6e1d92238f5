"""Routes of the service: models, a small image mapped in one request, jobs, their results and map tiles."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from PIL import Image
from starlette.requests import ClientDisconnect

from overland.bundle import ModelBundle
from overland.errors import DataError
from overland.legend import Legend
from overland.raster.tiles import read_class_tile, web_extent
from overland.result import plain
from overland.web.jobs.queue import Job, JobQueue
from overland.web.refusals import NotDoneError, NotFoundError, TooSlowError, UnavailableError, UnusableError
from overland.web.rest.problems import documented
from overland.web.rest.requests import (
    REQUEST_BODY,
    JobParameters,
    SegmentParameters,
    client_of,
    no_parameters,
    preferred_type,
    read_upload,
)
from overland.web.rest.views import FILES, MADE_WITH_MAP, MEDIA_TYPES, job_view, model_view, summary_view
from overland.web.sandbox.tasks import stopping

__all__ = ["GRACE_S", "jobs_router", "models_router", "segment_router", "tiles_router", "wait_for_map"]

GRACE_S = 15.0
"""How long a map that is worked on while the server stops may take to be done, in seconds."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}


def models_router(queue: JobQueue) -> APIRouter:
    """Return the routes of models: `/v1/models` and `/v1/models/{name}`.

    Args:
        queue: The job queue, which has the models.
    """
    router = APIRouter(dependencies=[Depends(no_parameters)])

    @router.get("/v1/models", summary="List the models", responses=documented(401))
    async def list_models() -> JSONResponse:
        """Name, classes with colours, bands, pixel type and size of each model."""
        return JSONResponse({"models": [model_view(name, bundle) for name, bundle in sorted(queue.models.items())]})

    @router.get("/v1/models/{name}", summary="Look at a model", responses=documented(401, 404))
    async def look(name: str) -> JSONResponse:
        """The same of one model, with its scores and its card (Markdown)."""
        bundle = _bundle_of(queue, name)
        card = bundle.graph_path.with_name("README.md").read_text(encoding="utf-8")
        return JSONResponse(model_view(name, bundle) | {"metrics": plain(bundle.metrics), "card": card})

    return router


_OFFERED = ("application/json", "image/png", "image/tiff", "application/geo+json")
_SUMMARY_EXAMPLE = {
    "model": "roads",
    "image": {"height": 512, "width": 512, "crs": "EPSG:32633", "bounds": [500000, 5199488, 500512, 5200000]},
    "class_fractions": {"background": 0.93, "road": 0.07},
    "areas": {"units": "metres", "classes": [{"id": 1, "name": "road", "area_m2": 18350.0}]},
}
_MAP_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The map in the form that Accept names.",
        "content": {
            "application/json": {"example": _SUMMARY_EXAMPLE},
            "image/png": _BINARY,
            "image/tiff": _BINARY,
            "application/geo+json": {"schema": {"type": "object"}},
        },
    },
    **documented(401, 404, 406, 408, 413, 415, 422, 429, 503, 504),
}


def segment_router(queue: JobQueue, stop: asyncio.Event) -> APIRouter:
    """Return the route `/v1/segment`: a small image in, its map out, in one request.

    Args:
        queue: The job queue.
        stop: Set when the server begins to stop.
    """
    router = APIRouter()

    @router.post(
        "/v1/segment",
        summary="Map a small image",
        responses=_MAP_RESPONSES,
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def segment(request: Request, parameters: Annotated[SegmentParameters, Query()]) -> Response:
        """Map an image and wait for it. Accept chooses the answer: a summary with areas (application/json), the
        class map as a palette image (image/png) or GeoTIFF (image/tiff), polygons or roads (application/geo+json).
        """
        media_type = preferred_type(request.headers.get("accept", ""), _OFFERED)
        downloads: tuple[str, ...] = {
            "image/png": ("mask.png",),
            "application/geo+json": (f"{parameters.vector}.geojson",),
        }.get(media_type, ())
        model, client = parameters.model_of(queue), client_of(request)
        queue.check_room(client)
        options = parameters.options(
            probabilities=media_type == "application/geo+json",
            max_pixels=queue.limits.sync_pixels,
            downloads=downloads,
        )
        file, filename = await read_upload(request, queue.folder, queue.limits.max_bytes)
        with file:
            job = await asyncio.to_thread(queue.submit, model, file, filename=filename, options=options, client=client)
        try:
            await wait_for_map(job, request, stop, wait_s=queue.limits.wait_s)
            if media_type == "application/json":
                return JSONResponse(summary_view(job))
            path = job.folder / (downloads[0] if downloads else "mask.tif")
            return Response(await asyncio.to_thread(path.read_bytes), media_type=media_type)
        finally:
            await asyncio.to_thread(job.delete)

    return router


async def wait_for_map(
    job: Job, request: Request, stop: asyncio.Event, *, wait_s: float, advice: str = "send the image to /v1/jobs"
) -> None:
    """Wait for the end of a job; while the server stops only for one that is worked on already.

    Args:
        job: The job.
        request: The request of the client that waits, whose body has been read.
        stop: Set when the server begins to stop.
        wait_s: Longest wait, in seconds.
        advice: What a client may do instead of waiting.

    Raises:
        RefusedError: The job failed with it.
        UnavailableError: The server stops, or the job's turn has not come within `wait_s`.
        TooSlowError: The map was begun and not done within `wait_s`.
        ClientDisconnect: The client went away.
    """
    ended = asyncio.wrap_future(job.ended)
    stopped = asyncio.ensure_future(stop.wait())
    gone = asyncio.ensure_future(_gone(request))
    events: list[asyncio.Future[Any]] = [ended, stopped, gone]
    try:
        await asyncio.wait(events, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set() and job.state == "running":
            await asyncio.wait([ended], timeout=min(wait_s, GRACE_S))
    finally:
        stopped.cancel()
        gone.cancel()
    if job.error is not None:
        raise job.error
    if ended.done():
        return
    if gone.done() and not gone.cancelled():
        raise ClientDisconnect
    if stop.is_set():
        raise stopping()
    if job.state == "queued":
        raise UnavailableError(
            f"The image's turn did not come within {wait_s:g} s; try again later, or {advice}.", retry_after_s=10
        )
    raise TooSlowError(f"The map was not done within {wait_s:g} s; {advice}.")


async def _gone(request: Request) -> None:
    """Wait until the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


_JOB_EXAMPLE = {
    "id": "Q5hXgA5jVJtQ1wG0pN2sYt0cWl8nDkzB",
    "state": "running",
    "progress": 0.42,
    "model": "roads",
    "filename": "scene.tif",
    "created": "2026-11-21T10:00:00+00:00",
    "ended": None,
    "expires": None,
    "error": None,
    "summary": None,
    "links": {"self": "/v1/jobs/Q5hXgA5jVJtQ1wG0pN2sYt0cWl8nDkzB"},
}
_JOB_CONTENT = {"application/json": {"example": _JOB_EXAMPLE}}


def jobs_router(queue: JobQueue) -> APIRouter:
    """Return the routes of jobs: submit an image, look at the job, fetch its results, cancel it.

    Args:
        queue: The job queue.
    """
    router = APIRouter()
    looking = APIRouter(dependencies=[Depends(no_parameters)])

    @router.post(
        "/v1/jobs",
        status_code=202,
        summary="Submit an image of any size",
        responses={
            202: {"description": "Accepted; Location says where to look.", "content": _JOB_CONTENT},
            **documented(401, 404, 408, 413, 415, 422, 429, 503),
        },
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def submit(request: Request, parameters: Annotated[JobParameters, Query()]) -> Response:
        """Queue an image. The answer names the job, which runs on its own and is kept for a while when it has ended."""
        model, client = parameters.model_of(queue), client_of(request)
        queue.check_room(client)
        options = parameters.options(probabilities=parameters.probabilities)
        file, sent_name = await read_upload(request, queue.folder, queue.limits.max_bytes)
        filename = parameters.filename or sent_name
        with file:
            job = await asyncio.to_thread(queue.submit, model, file, filename=filename, options=options, client=client)
        return JSONResponse(job_view(job, queue.limits.keep_s), 202, headers={"Location": f"/v1/jobs/{job.id}"})

    @looking.get(
        "/v1/jobs/{id}",
        summary="Look at a job",
        responses={200: {"content": _JOB_CONTENT}, **documented(401, 404)},
    )
    async def look(id: str) -> Response:
        """Return state, progress from 0 to 1, and links to the results once the job is done."""
        return JSONResponse(job_view(queue.job(id), queue.limits.keep_s))

    @looking.delete("/v1/jobs/{id}", status_code=204, summary="Cancel and remove a job", responses=documented(401, 404))
    async def remove(id: str) -> Response:
        """Stop the work and remove every file of it."""
        await asyncio.to_thread(queue.job(id).delete)
        return Response(status_code=204)

    @looking.get(
        "/v1/jobs/{id}/{name}",
        summary="Fetch a result",
        responses={
            200: {"content": {media: {} for media in MEDIA_TYPES.values()}},
            **documented(401, 404, 409, 422, 429),
        },
        description=f"A file of a job that is done: {', '.join(FILES)}. Range requests work.",
    )
    async def fetch(id: str, name: str) -> Response:
        job = _done_job(queue, id)
        if name not in FILES:
            raise NotFoundError(f"A job has {', '.join(FILES)}.", title="No such result")
        if name not in MADE_WITH_MAP:
            await asyncio.wrap_future(queue.make_download(job, name))
        path = job.folder / name
        if not path.exists():
            raise NotFoundError(f"This job has no {name}.", title="No such result")
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix[1:]], filename=name)

    router.include_router(looking)
    return router


def tiles_router(queue: JobQueue) -> APIRouter:
    """Return the routes of a result as tiles of a web map, on the paths that TiTiler made known.

    Args:
        queue: The job queue.
    """
    router = APIRouter()

    @router.get(
        "/v1/jobs/{id}/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png",
        summary="Fetch a tile of a map",
        responses={200: {"content": {"image/png": {}}}, **documented(401, 404, 409, 422)},
    )
    async def tile(id: str, z: int, x: int, y: int) -> Response:
        """Return 256 x 256 pixels in the colours of the classes; background and nodata are clear."""
        job = _done_job(queue, id)
        # A job may be older than the server, and its model may have been taken away.
        legend = _bundle_of(queue, job.record.model).legend
        return Response(
            await asyncio.to_thread(_tile, job.folder / "mask.tif", legend, z, x, y), media_type="image/png"
        )

    @router.get(
        "/v1/jobs/{id}/cog/info",
        summary="Look at a map's extent and classes",
        responses=documented(401, 404, 409, 422),
    )
    async def info(id: str) -> Response:
        """Return bounds in degrees, the zooms that make sense, and the classes with their colours."""
        job = _done_job(queue, id)
        legend = _bundle_of(queue, job.record.model).legend
        try:
            bounds, min_zoom, max_zoom = await asyncio.to_thread(web_extent, job.folder / "mask.tif")
        except DataError as error:
            raise UnusableError(str(error), title="No place on the ground") from error
        return JSONResponse(
            {
                "bounds": list(bounds),
                "crs": "EPSG:4326",
                "minzoom": min_zoom,
                "maxzoom": max_zoom,
                "colormap": {str(index): [*color, 255] for index, color in enumerate(legend.colors)},
                "classes": {str(index): name for index, name in enumerate(legend.names)},
            }
        )

    return router


def _tile(mask: Path, legend: Legend, z: int, x: int, y: int) -> bytes:
    try:
        ids = read_class_tile(mask, z, x, y, nodata=legend.ignore_index)
    except DataError as error:
        raise UnusableError(str(error), title="No such tile") from error
    is_clear = [index == legend.background or index >= legend.num_classes for index in range(256)]
    picture = Image.fromarray(ids)
    picture.putpalette([channel for color in legend.colors for channel in color])
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=bytes(0 if clear else 255 for clear in is_clear))
    return file.getvalue()


def _bundle_of(queue: JobQueue, model: str) -> ModelBundle:
    queue.check_model(model)
    return queue.models[model]


def _done_job(queue: JobQueue, id: str) -> Job:
    job = queue.job(id)
    if job.error is not None:
        raise job.error
    if job.state != "done":
        raise NotDoneError(f"The job is {job.state} ({job.progress:.0%}); look at /v1/jobs/{id}.")
    return job

"""POST /v1/segment: a small image in, its map out, in one request."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from overland.web.jobs.limits import RefusedError
from overland.web.jobs.queue import Job, JobOptions, JobQueue
from overland.web.rest.problems import documented
from overland.web.rest.requests import REQUEST_BODY, Parameters, read_upload
from overland.web.rest.views import FILES, MEDIA_TYPES, job_view, model_view, plain, preferred_type, summary_view
from overland.web.sandbox.tasks import stopping

__all__ = [
    "GRACE_S",
    "done_job",
    "jobs_router",
    "models_router",
    "segment_router",
    "wait_for_map",
]


# The routes of models: what the server offers.


def models_router(desk: JobQueue) -> APIRouter:
    """The routes, on a desk."""
    router = APIRouter()

    @router.get("/v1/models", summary="List the models", responses=documented(401))
    async def list_models() -> JSONResponse:
        """Name, classes with colours, bands, pixel type and size of each model."""
        return JSONResponse({"models": [model_view(name, bundle) for name, bundle in sorted(desk.models.items())]})

    @router.get("/v1/models/{name}", summary="Look at a model", responses=documented(401, 404))
    async def look(name: str) -> JSONResponse:
        """The same of one model, with its scores and its card (Markdown)."""
        desk.check_model(name)
        bundle = desk.models[name]
        card = bundle.graph_path.with_name("README.md").read_text(encoding="utf-8")
        return JSONResponse(model_view(name, bundle) | {"metrics": plain(bundle.metrics), "card": card})

    return router


# How long a map that is worked on while the server stops may take to be done.
GRACE_S = 15.0

_OFFERED = ("application/json", "image/png", "image/tiff", "application/geo+json")
_EXAMPLE = {
    "model": "roads",
    "image": {"height": 512, "width": 512, "crs": "EPSG:32633", "bounds": [500000, 5199488, 500512, 5200000]},
    "class_fractions": {"background": 0.93, "road": 0.07},
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


def segment_router(desk: JobQueue, stop: asyncio.Event) -> APIRouter:
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


# The routes of jobs: hand in, look, fetch, cancel.

_EXAMPLE_jobs = {
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
_JOB: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"example": _EXAMPLE_jobs}}}}


def jobs_router(desk: JobQueue) -> APIRouter:
    """The routes, on a desk."""
    router = APIRouter()
    _add_hand_in(router, desk)
    _add_job(router, desk)
    _add_results(router, desk)
    return router


def _add_hand_in(router: APIRouter, desk: JobQueue) -> None:
    @router.post(
        "/v1/jobs",
        status_code=202,
        summary="Hand in an image of any size",
        responses={
            202: {
                "description": "Taken; Location says where to look.",
                "content": {"application/json": {"example": _EXAMPLE_jobs}},
            },
            **documented(401, 404, 413, 415, 422, 429, 503),
        },
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def hand_in(
        request: Request,
        parameters: Parameters,
        scores: Annotated[bool, Query(description="Keep the probabilities too (scores.tif).")] = True,
        filename: Annotated[str, Query(description="A name to show with the job.", max_length=1000)] = "",
    ) -> Response:
        """Queue an image. The answer names the job, which runs on its own and is kept for a while when it has ended."""
        model = parameters.model_of(desk)
        desk.check_model(model)
        desk.check_room()
        options = JobOptions(parameters.threshold, scores, parameters.bands, parameters.tta)
        file, sent_name = await read_upload(request, desk.folder, desk.limits.max_bytes)
        with file:
            job = await asyncio.to_thread(desk.submit, model, file, filename=filename or sent_name, options=options)
        return JSONResponse(job_view(job, desk.limits.keep_s), 202, headers={"Location": f"/v1/jobs/{job.id}"})


def _add_job(router: APIRouter, desk: JobQueue) -> None:
    @router.get("/v1/jobs/{id}", summary="Look at a job", responses=_JOB | documented(401, 404))
    async def look(id: str) -> Response:
        """State, progress from 0 to 1, and links to what can be fetched once it is done."""
        return JSONResponse(job_view(desk.job(id), desk.limits.keep_s))

    @router.delete("/v1/jobs/{id}", status_code=204, summary="Cancel and remove a job", responses=documented(401, 404))
    async def remove(id: str) -> Response:
        """Stop the work and remove every file of it."""
        await asyncio.to_thread(desk.job(id).delete)
        return Response(status_code=204)


def _add_results(router: APIRouter, desk: JobQueue) -> None:
    @router.get(
        "/v1/jobs/{id}/{name}",
        summary="Fetch a result",
        responses={
            200: {"content": {media: {} for media in MEDIA_TYPES.values()}},
            **documented(401, 404, 409, 422, 429),
        },
        description=f"A file of a job that is done: {', '.join(FILES)}. Range requests work.",
    )
    async def fetch(id: str, name: str) -> Response:
        job = done_job(desk, id)
        if name not in FILES:
            raise RefusedError(404, "No such result", f"A job has {', '.join(FILES)}.")
        if name not in ("mask.tif", "scores.tif", "image.tif"):
            await asyncio.wrap_future(desk.product(job, name))
        path = job.folder / name
        if not path.exists():
            raise RefusedError(404, "No such result", f"This job has no {name}.")
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix[1:]], filename=name)


def done_job(desk: JobQueue, id: str) -> Job:
    """A job that is done. Raises `RefusedError`: 404 where there is none, 409 when it is not, its own if it failed."""
    job = desk.job(id)
    if job.error is not None:
        raise job.error
    if job.state != "done":
        raise RefusedError(409, "Not done", f"The job is {job.state} ({job.progress:.0%}); look at /v1/jobs/{id}.")
    return job

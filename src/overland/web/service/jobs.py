"""The routes of jobs: hand in, look, fetch, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from overland.web.desk import Desk, Job, JobOptions
from overland.web.errors import RefusedError
from overland.web.service.parameters import Parameters
from overland.web.service.problems import documented
from overland.web.service.uploads import REQUEST_BODY, read_upload
from overland.web.service.views import FILES, MEDIA_TYPES, job_view

__all__ = ["done_job", "jobs_router"]

_EXAMPLE = {
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
_JOB: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"example": _EXAMPLE}}}}


def jobs_router(desk: Desk) -> APIRouter:
    """The routes, on a desk."""
    router = APIRouter()
    _add_hand_in(router, desk)
    _add_job(router, desk)
    _add_results(router, desk)
    return router


def _add_hand_in(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/v1/jobs",
        status_code=202,
        summary="Hand in an image of any size",
        responses={
            202: {
                "description": "Taken; Location says where to look.",
                "content": {"application/json": {"example": _EXAMPLE}},
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


def _add_job(router: APIRouter, desk: Desk) -> None:
    @router.get("/v1/jobs/{id}", summary="Look at a job", responses=_JOB | documented(401, 404))
    async def look(id: str) -> Response:
        """State, progress from 0 to 1, and links to what can be fetched once it is done."""
        return JSONResponse(job_view(desk.job(id), desk.limits.keep_s))

    @router.delete("/v1/jobs/{id}", status_code=204, summary="Cancel and remove a job", responses=documented(401, 404))
    async def remove(id: str) -> Response:
        """Stop the work and remove every file of it."""
        await asyncio.to_thread(desk.job(id).delete)
        return Response(status_code=204)


def _add_results(router: APIRouter, desk: Desk) -> None:
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


def done_job(desk: Desk, id: str) -> Job:
    """A job that is done. Raises `RefusedError`: 404 where there is none, 409 when it is not, its own if it failed."""
    job = desk.job(id)
    if job.error is not None:
        raise job.error
    if job.state != "done":
        raise RefusedError(409, "Not done", f"The job is {job.state} ({job.progress:.0%}); look at /v1/jobs/{id}.")
    return job

"""The contract of Amazon SageMaker for inference containers: GET /ping and POST /invocations.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from overland.errors import UsageError
from overland.version import __version__
from overland.web.jobs.queue import JobOptions, JobQueue
from overland.web.refusals import NotAnImageError
from overland.web.rest.health import check_ready
from overland.web.rest.middleware import AccessMiddleware
from overland.web.rest.problems import add_problem_handlers, documented
from overland.web.rest.requests import preferred_type, read_upload
from overland.web.rest.routes import wait_for_map

__all__ = ["make_sagemaker_app"]

# application/x-image is what the built-in algorithm calls any image.
_TAKEN = ("image/jpeg", "image/png", "image/tiff", "application/x-image", "application/octet-stream")
# The file of a map that each form is, the first by default.
_OFFERED = {"image/png": "mask.png", "image/tiff": "mask.tif"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def make_sagemaker_app(
    queue: JobQueue,
    *,
    api_key: str | None = None,
    hosts: Collection[str] | None = None,
    stop: asyncio.Event | None = None,
) -> FastAPI:
    """Make the service of an inference container as one ASGI app.

    Args:
        queue: The job queue, which stays the caller's to close.
        api_key: The key that clients must send; None for none.
        hosts: Names that the server is known by; None for any.
        stop: Set by the caller when the server begins to stop.

    Returns:
        The app with the two routes of the contract.

    Raises:
        UsageError: The queue has several models: the contract has no word to choose one.
    """
    if len(queue.models) > 1:
        raise UsageError(f"The model folder holds several models ({', '.join(queue.models)}); an endpoint has one.")
    stop = stop or asyncio.Event()
    app = FastAPI(title="Overland on SageMaker", version=__version__, docs_url=None, redoc_url=None)
    add_problem_handlers(app)
    app.add_middleware(AccessMiddleware, api_key=api_key, hosts=hosts, max_body_bytes=queue.limits.max_bytes)

    @app.get("/ping", summary="Can it take images?", responses=documented(503))
    async def ping() -> Response:
        """Answer 200 when the workers are up and the server does not stop, else 503."""
        check_ready(queue, stop)
        return Response(status_code=200)

    app.include_router(_invocations(queue, stop), max_body_size=queue.limits.max_bytes)
    return app


def _invocations(queue: JobQueue, stop: asyncio.Event) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/invocations",
        summary="Map an image",
        responses={
            200: {
                "description": "Class ids, in the form that Accept names.",
                "content": dict.fromkeys(_OFFERED, _BINARY),
            },
            **documented(406, 413, 415, 422, 429, 503, 504),
        },
        openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(_TAKEN, _BINARY)}},
    )
    async def invoke(request: Request) -> Response:
        """Return the class of each pixel of an image: a PNG whose values are class ids, or a GeoTIFF with its place."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and media_type not in _TAKEN:
            raise NotAnImageError(f"The body is {media_type}; send the bytes of one image as {', '.join(_TAKEN)}.")
        media_type = preferred_type(request.headers.get("accept", ""), tuple(_OFFERED))
        queue.check_room()
        name = _OFFERED[media_type]
        options = JobOptions(probabilities=False, downloads=(name,) if name != "mask.tif" else ())
        file, _ = await read_upload(request, queue.folder, queue.limits.max_bytes)
        with file:
            job = await asyncio.to_thread(queue.submit, next(iter(queue.models)), file, options=options)
        try:
            await wait_for_map(job, request, stop, wait_s=queue.limits.wait_s, advice="send a smaller one")
            return Response(await asyncio.to_thread((job.folder / name).read_bytes), media_type=media_type)
        finally:
            await asyncio.to_thread(job.delete)

    return router

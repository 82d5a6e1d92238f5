"""A result as web-map tiles, on the path names that TiTiler made known."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from PIL import Image

from overland.bundle import ModelBundle
from overland.errors import DataError
from overland.legend import Legend
from overland.raster.tiles import read_class_tile, web_extent
from overland.web.jobs.limits import RefusedError
from overland.web.jobs.queue import JobQueue
from overland.web.rest.problems import documented
from overland.web.rest.routes import done_job

__all__ = ["tiles_router"]


def tiles_router(desk: JobQueue) -> APIRouter:
    """The routes, on a desk."""
    router = APIRouter()

    @router.get(
        "/v1/jobs/{id}/cog/tiles/WebMercatorQuad/{z}/{x}/{y}.png",
        summary="Fetch a tile of a map",
        responses={200: {"content": {"image/png": {}}}, **documented(401, 404, 409, 422)},
    )
    async def tile(id: str, z: int, x: int, y: int) -> Response:
        """256 x 256 pixels in the classes' colours; the background and what holds no data are clear."""
        job = done_job(desk, id)
        legend = _bundle_of(desk, job.record.model).legend
        picture = await asyncio.to_thread(_tile, job.folder / "mask.tif", legend, z, x, y)
        return Response(picture, media_type="image/png")

    @router.get(
        "/v1/jobs/{id}/cog/info",
        summary="Look at a map's extent and classes",
        responses=documented(401, 404, 409, 422),
    )
    async def info(id: str) -> Response:
        """Bounds in degrees, the zooms that make sense, and the classes with their colours."""
        job = done_job(desk, id)
        values = await asyncio.to_thread(_info, job.folder / "mask.tif", _bundle_of(desk, job.record.model).legend)
        return JSONResponse(values)

    return router


def _bundle_of(desk: JobQueue, model: str) -> ModelBundle:
    # A job may be older than the server, and its model may have been taken away.
    desk.check_model(model)
    return desk.models[model]


def _tile(mask: Path, legend: Legend, z: int, x: int, y: int) -> bytes:
    try:
        ids = read_class_tile(mask, z, x, y, nodata=legend.ignore_index)
    except DataError as error:
        raise RefusedError(422, "No such tile", str(error)) from error
    picture = Image.fromarray(ids)
    picture.putpalette([channel for color in legend.colors for channel in color])
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=_alphas(legend))
    return file.getvalue()


def _alphas(legend: Legend) -> bytes:
    is_clear = [index == legend.background or index >= legend.num_classes for index in range(256)]
    return bytes(0 if clear else 255 for clear in is_clear)


def _info(mask: Path, legend: Legend) -> dict[str, Any]:
    try:
        bounds, min_zoom, max_zoom = web_extent(mask)
    except DataError as error:
        raise RefusedError(422, "No place on the ground", str(error)) from error
    return {
        "bounds": list(bounds),
        "crs": "EPSG:4326",
        "minzoom": min_zoom,
        "maxzoom": max_zoom,
        "colormap": {str(index): [*color, 255] for index, color in enumerate(legend.colors)},
        "classes": {str(index): name for index, name in enumerate(legend.names)},
    }

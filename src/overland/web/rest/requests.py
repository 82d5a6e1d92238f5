"""An upload as it arrives: the body itself, or the file of a form."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast

from fastapi import Depends, Query, Request
from starlette.datastructures import UploadFile

from overland.web.jobs.limits import RefusedError
from overland.web.jobs.queue import JobQueue
from overland.web.sandbox.upload_check import too_large

__all__ = [
    "REQUEST_BODY",
    "MapParameters",
    "Parameters",
    "Upload",
    "read_upload",
]


# The query parameters of a mapping, the same for both ways to ask for one.


@dataclass(frozen=True)
class MapParameters:
    """What a client may say of how its image is mapped."""

    model: str | None
    threshold: float | None
    bands: tuple[int, ...] | None
    tta: str | None

    def model_of(self, desk: JobQueue) -> str:
        """The model named, or the only one. Raises `RefusedError` 422 when there are several and none was named."""
        if self.model is not None:
            return self.model
        if len(desk.models) == 1:
            return next(iter(desk.models))
        raise RefusedError(422, "Which model?", f"Name one: ?model= with one of {', '.join(sorted(desk.models))}.")


def _parameters(
    model: Annotated[
        str | None, Query(description="Name of the model; may be left out where there is one.", max_length=200)
    ] = None,
    threshold: Annotated[
        float | None, Query(ge=0, le=1, description="Smallest probability of class 1, for a two-class model.")
    ] = None,
    bands: Annotated[
        str | None,
        Query(
            pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,63}$",
            description="Bands to read, counted from 1, in the model's order.",
            examples=["1,2,3"],
        ),
    ] = None,
    tta: Annotated[
        Literal["flips", "d4"] | None, Query(description="Average over 4 or 8 turned copies: slower, a little better.")
    ] = None,
) -> MapParameters:
    numbers = None if bands is None else tuple(int(part) for part in bands.split(","))
    return MapParameters(model, threshold, numbers, tta)


Parameters = Annotated[MapParameters, Depends(_parameters)]


_IN_MEMORY = 1 << 20
_BINARY = {"schema": {"type": "string", "format": "binary"}}
REQUEST_BODY = {
    "required": True,
    "description": "The image: as the body itself, or as the file `image` of a form.",
    "content": {
        "image/tiff": _BINARY,
        "image/png": _BINARY,
        "image/jpeg": _BINARY,
        "application/octet-stream": _BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {"image": {"type": "string", "format": "binary"}},
            }
        },
    },
}

Upload = tuple[BinaryIO, str]
"""The bytes, to be read from their start, and the name that they were sent with (never a path)."""


async def read_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Take the body of a request to a temporary file that has no name.

    Raises `RefusedError` 413 when it is larger than `max_bytes`, 422 for a form without a file.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _read_form(request)
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(folder))  # noqa: SIM115 - closed by who reads it
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            if total > max_bytes:
                raise too_large(max_bytes)
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast(BinaryIO, file), ""


async def _read_form(request: Request) -> Upload:
    # The route's max_body_size bounds what the parser reads.
    form = await request.form(max_files=1, max_fields=4)
    for value in form.values():
        if isinstance(value, UploadFile):
            return value.file, value.filename or ""
    raise RefusedError(422, "No image", "The form has no file; send the image as its field `image`.")

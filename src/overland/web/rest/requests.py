"""Requests: parameters in the query, the image in the body or in a form, the form of the answer by Accept."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from overland.web.jobs.queue import JobOptions, JobQueue
from overland.web.refusals import NotAcceptableError, UnusableError
from overland.web.sandbox.upload_check import too_large

__all__ = [
    "REQUEST_BODY",
    "JobParameters",
    "MapParameters",
    "SegmentParameters",
    "Upload",
    "client_of",
    "no_parameters",
    "preferred_type",
    "read_upload",
]


class MapParameters(BaseModel):
    """Parameters of how an image is mapped, the same for both ways to ask for one. Others are refused."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[
        str | None, Field(description="Name of the model; may be left out where there is one.", max_length=200)
    ] = None
    threshold: Annotated[
        float | None, Field(ge=0, le=1, description="Smallest probability of class 1, for a two-class model.")
    ] = None
    bands: Annotated[
        str | None,
        Field(
            pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,63}$",
            description="Bands to read, counted from 1, in the model's order.",
            examples=["1,2,3"],
        ),
    ] = None
    tta: Annotated[
        Literal["flips", "d4"] | None, Field(description="Average over 4 or 8 turned copies: slower, a little better.")
    ] = None

    def model_of(self, queue: JobQueue) -> str:
        """Return the model that is named, or the only one.

        Args:
            queue: The job queue, which has the models.

        Raises:
            UnusableError: There are several and none is named.
            NotFoundError: There is none of that name.
        """
        if self.model is None and len(queue.models) > 1:
            raise UnusableError(
                f"Name one: ?model= with one of {', '.join(sorted(queue.models))}.", title="Which model?"
            )
        name = next(iter(queue.models)) if self.model is None else self.model
        queue.check_model(name)
        return name

    def options(
        self, *, probabilities: bool, max_pixels: int | None = None, downloads: tuple[str, ...] = ()
    ) -> JobOptions:
        """Return the options of a job.

        Args:
            probabilities: Whether the probabilities are kept.
            max_pixels: Largest image, where it is less than the server's limit.
            downloads: Files to be made with the map.
        """
        bands = None if self.bands is None else tuple(int(part) for part in self.bands.split(","))
        return JobOptions(self.threshold, probabilities, bands, self.tta, max_pixels, downloads)


class SegmentParameters(MapParameters):
    """Parameters of `/v1/segment`."""

    vector: Annotated[Literal["polygons", "roads"], Field(description="What GeoJSON holds.")] = "polygons"


class JobParameters(MapParameters):
    """Parameters of `/v1/jobs`."""

    probabilities: Annotated[bool, Field(description="Keep the probabilities too (probabilities.tif).")] = True
    filename: Annotated[str, Field(description="A name to show with the job.", max_length=1000)] = ""


async def no_parameters(request: Request) -> None:
    """Refuse parameters on a route that has none, as one that is misspelt is refused elsewhere.

    Args:
        request: The request.

    Raises:
        UnusableError: There is a parameter.
    """
    if names := list(request.query_params):
        raise UnusableError(f"{names[0]}: this route has no parameters.", title="Parameters not valid")


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
"""The body of a request that brings an image, for the description of a route."""

Upload = tuple[BinaryIO, str]
"""The bytes, to be read from their start, and the name that they were sent with (never a path)."""


async def read_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Take the body of a request to a temporary file that has no name.

    Args:
        request: The request.
        folder: Where the file lies; a small one stays in memory.
        max_bytes: Largest body, in bytes.

    Returns:
        The file, which the caller closes, and the name that it was sent with.

    Raises:
        TooLargeError: The body has more bytes.
        UnusableError: A form has no file, or holds anything else.
        ClientDisconnect: The client went away.
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
    for name, value in form.items():
        if not isinstance(value, UploadFile):
            await form.close()
            known = difflib.get_close_matches(name, [*JobParameters.model_fields, *SegmentParameters.model_fields])
            example = known[0] if known else "threshold"
            raise UnusableError(
                f"{name}: the form holds nothing but the image; parameters go into the address, as ?{example}=.",
                title="Parameters not valid" if known else "No image",
            )
    for value in form.values():
        if isinstance(value, UploadFile):
            return value.file, value.filename or ""
    raise UnusableError("The form has no file; send the image as its field `image`.", title="No image")


def client_of(request: Request) -> str:
    """Return whose request it is, for the bound of each client: the address that it comes from.

    Args:
        request: The request. Behind a proxy on the same machine the address is that of `X-Forwarded-For`.
    """
    return request.client.host if request.client else ""


def preferred_type(accept: str, offered: Sequence[str]) -> str:
    """Choose the media type that an Accept header likes best. Source: RFC 9110, 12.5.1.

    Args:
        accept: The header; may be empty.
        offered: Media types, of equals the first is chosen.

    Returns:
        One of the offered types.

    Raises:
        NotAcceptableError: The header accepts none of them.
    """
    ranges = [_parsed(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptableError(f"This is offered as {', '.join(offered)}.")
    return best


def _parsed(part: str) -> tuple[str, float]:
    media_range, *parameters = (item.strip() for item in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return media_range.lower(), float(value)
            except ValueError:
                return media_range.lower(), 0.0
    return media_range.lower(), 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    # The most specific range that fits decides.
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0

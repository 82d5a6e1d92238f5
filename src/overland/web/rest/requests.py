"""An upload as it arrives: the body itself, or the file of a form."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from fastapi import Request
from starlette.datastructures import UploadFile

from overland.web.errors import RefusedError
from overland.web.intake import too_large

__all__ = ["REQUEST_BODY", "Upload", "read_upload"]

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

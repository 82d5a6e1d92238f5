"""Rasters on a server: how GDAL is to read them, and what its errors mean for a person."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio

from overland.errors import AccessError

__all__ = ["access_error", "is_remote", "remote_settings", "vsi_path", "web_identity"]

_SCHEMES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
}
_HANDLERS = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)(_streaming)?[/?]")
_TIMEOUT_S = 30

# Set where the user has not: no listing of the folder and no search for companions, the header in one request, each
# part of the file fetched once, patience with a server that is busy and none with one that is gone.
_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": str(32 << 20),
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_TIME": str(_TIMEOUT_S),
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
}

_MEANINGS = (
    (r"code: 40[13]|AWS_|credential|Access ?Denied", "Access was refused. Give GDAL your credentials (for s3:// as "
     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for a public bucket)."),
    (r"code: (404|410)|NoSuchKey|NoSuchBucket", "There is no such file; check the address."),
    (r"Range downloading", "The server cannot send a part of a file; download it, and give the copy."),
    (r"resolve host", "There is no such server, or no network; check the address."),
    (r"CURL error|code: \d+|timed? ?out", "The server does not answer as it should; try again later."),
)  # fmt: skip


def vsi_path(path: str) -> str:
    """The name under which GDAL finds a file: URLs of http, https, s3, gs and az in its own spelling."""
    scheme, _, rest = path.partition("://")
    return _SCHEMES[scheme] + rest if rest and scheme in _SCHEMES else path


def is_remote(path: str) -> bool:
    """Whether a path leads to a server."""
    return _HANDLERS.search(vsi_path(path)) is not None


@contextmanager
def remote_settings() -> Iterator[None]:
    """GDAL's settings for opening a file on a server; a file keeps them. What the environment sets is left alone."""
    with rasterio.Env(**{name: value for name, value in _SETTINGS.items() if name not in os.environ}):
        yield


def access_error(path: str, cause: str) -> AccessError | None:
    """What a person should know when a file on a server cannot be opened; None when the server is not to blame."""
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, cause, re.IGNORECASE):
            return AccessError(f"{path} cannot be read from its server ({cause}). {meaning}")
    return None


def web_identity(path: str) -> str | None:
    """What a web server tells by which a change is noticed: ETag or date, and size; None when it tells nothing."""
    _, is_web, url = vsi_path(path).partition("/vsicurl/")
    if not is_web or not url.startswith(("http://", "https://")):
        return None
    # Not HEAD: a signed address often allows GET alone.
    request = urllib.request.Request(url, headers={"Range": "bytes=0-0"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            headers = answer.headers
    except (urllib.error.URLError, OSError):
        return None
    version = headers.get("ETag") or headers.get("Last-Modified")
    return f"{version}, {headers.get('Content-Range', 'bytes */*').rpartition('/')[2]} bytes" if version else None

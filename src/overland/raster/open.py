"""Rasters on a server: how GDAL is to read them, and what its errors mean for a person."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window as RasterioWindow

from overland.errors import AccessError, DataError

__all__ = [
    "access_error",
    "file_identity",
    "is_remote",
    "library_versions",
    "open_dataset",
    "open_or_create",
    "reading_error",
    "remote_settings",
    "vsi_path",
    "web_identity",
    "without_place_warnings",
]


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


# Opening: from a name to a dataset of rasterio, on this machine or on a server, or one sentence that says why not.

# The filters of warnings belong to the whole process: two threads that change them at once leave them changed.
_FILTERS = threading.Lock()


@contextmanager
def without_place_warnings() -> Iterator[None]:
    """Do without rasterio's warnings of files that lie nowhere on the ground. For short work: other threads wait."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_or_create(path: Path | str, mode: str = "r", **profile: Any) -> Any:
    """Open or create a dataset of rasterio, quietly where it lies nowhere on the ground; it is a context manager."""
    with without_place_warnings():
        return rasterio.open(path, mode, **profile)


def open_dataset(path: str, driver: str | None = None) -> Any:
    """Open a raster file, or one on a server by its URL. `driver` is the only format that it may have.

    Raises `DataError` when it does not exist or is no raster, `AccessError` when its server does not give it.
    """
    _check_place(path)
    with remote_settings() if is_remote(path) else nullcontext():
        try:
            dataset = open_or_create(vsi_path(path), driver=driver)
        except RasterioIOError as error:
            refused = access_error(path, _cause(error)) if is_remote(path) else None
            raise refused or DataError(
                f"{path} cannot be opened as a raster ({_cause(error)}). Is it complete, and an image?"
            ) from error
    if dataset.count == 0:
        dataset.close()
        raise DataError(f"{path} has no bands of its own (a container of several rasters?); name one of its parts.")
    return dataset


def reading_error(path: str, rows: tuple[int, int], error: BaseException) -> DataError | AccessError:
    """Why rows of an open raster, from a first one up to an end, could not be read."""
    what = f"{path}: rows {rows[0]} to {rows[1]} cannot be read ({_cause(error)})."
    if is_remote(path):
        return AccessError(f"{what} The server or the network failed; give the same command again.")
    return DataError(f"{what} The file is damaged or was cut short; fetch or export it again.")


def _check_place(path: str) -> None:
    if "://" in path or path.startswith("/vsi"):
        return
    if not Path(path).exists():
        raise DataError(f"{path} does not exist. Check the spelling and the folder.")
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; a raster file is needed here.")


def _cause(error: BaseException) -> str:
    # rasterio often wraps GDAL's own words, which say more, as the cause.
    return str(error.__cause__ or error).strip().rstrip(".") or type(error).__name__


# Which raster it is: enough of it to notice that an input has changed since a run was broken off.

# QGIS writes these beside a raster when somebody looks at it.
_COMPANIONS = (".aux.xml", ".ovr")
_MOST_BLOCKS = 100_000
_SAMPLE = 256


def file_identity(path: str, dataset: Any) -> str:
    """Size and time of the files that a dataset is read from; of one on a server what that tells, or a sample of it."""
    if is_remote(path):
        return web_identity(path) or f"sample {_sample(dataset)}"
    files = [Path(name) for name in dataset.files if Path(name).is_file() and not name.endswith(_COMPANIONS)]
    if len(files) == 1:
        return _stamp(files[0])
    digest = hashlib.sha256("\n".join(f"{file} {_stamp(file)}" for file in files).encode())
    return f"{len(files)} files, {digest.hexdigest()[:16]}"


def _stamp(file: Path) -> str:
    status = file.stat()
    # Nanoseconds, because a file can be written twice in one second.
    moment = datetime.fromtimestamp(status.st_mtime_ns // 10**9, UTC)
    return f"{status.st_size} bytes of {moment:%Y-%m-%d %H:%M:%S}.{status.st_mtime_ns % 10**9:09d}"


def _sample(dataset: Any) -> str:
    digest = hashlib.sha256()
    height, width = dataset.block_shapes[0]
    rows, cols = -(-dataset.height // height), -(-dataset.width // width)
    for index in range(min(rows * cols, _MOST_BLOCKS)):
        row, col = divmod(index, cols)
        # A TIFF tells where each block lies and how long it is: what is drawn anew is compressed to another length.
        for what in ("OFFSET", "SIZE"):
            digest.update(str(dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=1)).encode())
    middle = RasterioWindow(dataset.width // 2, dataset.height // 2, _SAMPLE, _SAMPLE)
    inside = middle.intersection(RasterioWindow(0, 0, dataset.width, dataset.height))
    digest.update(dataset.read(window=inside).tobytes())
    return digest.hexdigest()[:16]


# Versions of the C libraries below rasterio.


def library_versions() -> dict[str, str]:
    """Versions of GDAL, PROJ and GEOS that rasters are read and written with."""
    return {"GDAL": rasterio.__gdal_version__, "PROJ": rasterio.__proj_version__, "GEOS": rasterio.__geos_version__}

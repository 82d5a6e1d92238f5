"""Rasters opened: from a name, on this machine or on a server, to a dataset of rasterio, or to one sentence why not.

Files on a server are read by GDAL with settings of our own where the user has none. The identity of a raster is enough
of it to notice that it has changed since a run was stopped.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import urllib.error
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window as RasterioWindow

from overland.errors import AccessError, DataError
from overland.geo.grid import Window

__all__ = [
    "access_error",
    "file_identity",
    "input_files",
    "is_remote",
    "library_versions",
    "open_dataset",
    "open_or_create",
    "rasterio_window",
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
# Names of GDAL's for a part of a container, such as NETCDF:"a.nc":depth; one letter is a drive of Windows.
_PART_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]+:.")
_ARCHIVES = re.compile(r"/vsi(?:zip|tar|gzip|7z|rar)/\{?")
_LISTED = 5
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
    """Spell a name as GDAL does.

    Args:
        path: A file, a name of GDAL's, or a URL of http, https, s3, gs or az.

    Returns:
        The name under which GDAL finds it.
    """
    scheme, _, rest = path.partition("://")
    return _SCHEMES[scheme] + rest if rest and scheme in _SCHEMES else path


def is_remote(path: str) -> bool:
    """Tell whether a path leads to a server.

    Args:
        path: A file, a name of GDAL's, or a URL.

    Returns:
        True when reading it needs the network.
    """
    return _HANDLERS.search(vsi_path(path)) is not None


@contextmanager
def remote_settings() -> Iterator[None]:
    """Set GDAL up for opening a file on a server; the file keeps it. Settings of the environment are left alone."""
    with rasterio.Env(**{name: value for name, value in _SETTINGS.items() if name not in os.environ}):
        yield


def access_error(path: str, cause: str) -> AccessError | None:
    """Explain why a file on a server cannot be opened.

    Args:
        path: The file, as the user named it.
        cause: GDAL's words.

    Returns:
        The error with advice; None when the server is not to blame.
    """
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, cause, re.IGNORECASE):
            return AccessError(f"{path} cannot be read from its server ({cause}). {meaning}")
    return None


def web_identity(path: str) -> str | None:
    """Ask a web server for the version of a file.

    Args:
        path: A URL, or a name of GDAL's for one.

    Returns:
        ETag or date, and size; None when the server tells nothing, and for other files.
    """
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


# The filters of warnings belong to the whole process: two threads that change them at once leave them changed.
_FILTERS = threading.Lock()


@contextmanager
def without_place_warnings() -> Iterator[None]:
    """Silence rasterio about files that lie nowhere on the ground. For short work: other threads wait."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def rasterio_window(window: Window) -> RasterioWindow:
    """Turn a window into rasterio's.

    Args:
        window: A window of pixels.

    Returns:
        The same window.
    """
    return RasterioWindow(window.col_off, window.row_off, window.width, window.height)


def open_or_create(path: Path | str, mode: str = "r", **profile: Any) -> Any:
    """Open or create a dataset of rasterio, quietly where it lies nowhere on the ground.

    Args:
        path: The file, or a name of GDAL's.
        mode: "r" to read, "w" to write.
        profile: Options of `rasterio.open`.

    Returns:
        The dataset, a context manager.
    """
    with without_place_warnings():
        try:
            return rasterio.open(path, mode, **profile)
        except UnicodeDecodeError as error:
            # GDAL quotes the bytes of a damaged file in its message, and rasterio takes them for text.
            raise RasterioIOError(f"GDAL's message is no text: {error.object[:200]!r}") from error


def open_dataset(path: str, driver: str | None = None) -> Any:
    """Open a raster to read it.

    Args:
        path: A file, a folder that is a raster (Zarr), a name of GDAL's, or a URL.
        driver: The only format that it may have, by GDAL's name.

    Returns:
        The dataset of rasterio.

    Raises:
        DataError: When it does not exist, is no raster, or is a container of several.
        AccessError: When its server does not give it.
    """
    is_folder = _check_place(path)
    with remote_settings() if is_remote(path) else nullcontext():
        try:
            dataset = open_or_create(vsi_path(path), driver=driver)
        except RasterioIOError as error:
            if is_folder:
                raise DataError(f"{path} is a folder; a raster file is needed here.") from error
            refused = access_error(path, _cause(error)) if is_remote(path) else None
            advice = _archive_advice(path) or "Is it complete, and an image?"
            raise refused or DataError(f"{path} cannot be opened as a raster ({_cause(error)}). {advice}") from error
    if dataset.count == 0:
        parts = list(dataset.subdatasets)
        dataset.close()
        listed = ", ".join(parts[:_LISTED]) + (", ..." if len(parts) > _LISTED else "")
        raise DataError(
            f"{path} has no bands of its own (a container of several rasters?); name one of its parts"
            + (f": {listed}" if parts else ".")
        )
    return dataset


def input_files(*paths: str | Path | None) -> list[Path]:
    """List the files of this machine that inputs are read from, so that no output takes their place.

    Args:
        paths: Rasters and other files, by name; None is passed over. Of a VRT its sources count, and theirs; of a part
            of an archive the archive.

    Returns:
        The files that exist.
    """
    found: dict[Path, None] = {}
    waiting = [str(path) for path in paths if path is not None]
    while waiting:
        name = waiting.pop()
        path = _real_file(name)
        if path is None or path in found:
            continue
        found[path] = None
        if path.suffix.lower() == ".vrt" or _PART_NAME.match(name):
            try:
                with open_or_create(name) as dataset:
                    waiting += dataset.files
            except (RasterioError, OSError):
                continue
    return list(found)


def _real_file(name: str) -> Path | None:
    inner = _ARCHIVES.sub("", name)
    for candidate in (name, inner, *(inner[index + 1 :] for index in range(len(inner)) if inner[index] == ":")):
        path = Path(candidate.strip('"'))
        for part in (path, *path.parents) if inner != name else (path,):
            try:
                if part.is_file() or (part == path and part.is_dir() and str(part) not in ("", ".", "/")):
                    return part
            except OSError:
                continue
    return None


def reading_error(path: str, rows: tuple[int, int], error: BaseException) -> DataError | AccessError:
    """Explain why rows of an open raster could not be read.

    Args:
        path: The raster, as the user named it.
        rows: The first row, and the one after the last.
        error: The error of the library.

    Returns:
        The error to raise.
    """
    what = f"{path}: rows {rows[0]} to {rows[1]} cannot be read ({_cause(error)})."
    if is_remote(path):
        return AccessError(f"{what} The server or the network failed; give the same command again.")
    return DataError(f"{what} The file is damaged or was cut short; fetch or export it again.")


def _check_place(path: str) -> bool:
    """Make sure that there is something that GDAL can open without waiting for ever; tell whether it is a folder."""
    if "://" in path or path.startswith("/vsi"):
        return False
    place = Path(path)
    try:
        exists = place.exists()
    except OSError as error:
        raise DataError(f"{path[:200]} cannot be a raster file ({error.strerror}).") from error
    if not exists:
        if _PART_NAME.match(path):
            return False
        raise DataError(f"{path} does not exist. Check the spelling and the folder.")
    if not (place.is_file() or place.is_dir()):
        # A pipe would keep GDAL waiting for ever.
        raise DataError(f"{path} is no regular file (a pipe or a device?); copy its contents to a file first.")
    return place.is_dir()


def _archive_advice(path: str) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    listed = ", ".join(f"/vsizip/{Path(path).absolute()}/{name}" for name in names[:_LISTED])
    return f"It is an archive; name a raster in it: {listed}{', ...' if len(names) > _LISTED else ''}"


def _cause(error: BaseException) -> str:
    # rasterio often wraps GDAL's own words, which say more, as the cause.
    return str(error.__cause__ or error).strip().rstrip(".") or type(error).__name__


# QGIS writes these next to a raster when somebody looks at it.
_COMPANIONS = (".aux.xml", ".ovr")
_MOST_BLOCKS = 100_000
_SAMPLE = 256


def file_identity(path: str, dataset: Any) -> str:
    """Describe a raster so that a change of it is noticed.

    Args:
        path: Its name.
        dataset: The open dataset.

    Returns:
        Size and time of the files that it is read from; for one on a server the version that the server tells, else a
        checksum of a sample.
    """
    if is_remote(path):
        told = web_identity(path)
        if told:
            return told
        digest = hashlib.sha256()
        height, width = dataset.block_shapes[0]
        rows, cols = -(-dataset.height // height), -(-dataset.width // width)
        for index in range(min(rows * cols, _MOST_BLOCKS)):
            row, col = divmod(index, cols)
            # A TIFF tells where each block lies and how long it is: one written anew is compressed to another length.
            for item in ("OFFSET", "SIZE"):
                digest.update(str(dataset.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", bidx=1)).encode())
        middle = RasterioWindow(dataset.width // 2, dataset.height // 2, _SAMPLE, _SAMPLE)
        inside = middle.intersection(RasterioWindow(0, 0, dataset.width, dataset.height))
        digest.update(dataset.read(window=inside).tobytes())
        return f"sample {digest.hexdigest()[:16]}"
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


def library_versions() -> dict[str, str]:
    """Tell the versions of the C libraries below rasterio.

    Returns:
        Versions by name: GDAL, PROJ, GEOS.
    """
    return {"GDAL": rasterio.__gdal_version__, "PROJ": rasterio.__proj_version__, "GEOS": rasterio.__geos_version__}

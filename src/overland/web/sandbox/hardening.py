"""Restrictions of a worker process: no network, no formats that name other files, bounded memory, no secrets."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

__all__ = ["harden_process", "limit_memory", "run_in_background", "worker_environment"]

# Every upload is opened with its driver fixed; this is the second wall. Formats that fetch or that name other files go,
# and so do their helpers. VRT stays because Overland's own writer may use it on files of its own.
_SKIPPED = (
    "WMS WCS WMTS WFS OAPIF OGCAPI HTTP PLMOSAIC EEDA EEDAI NGW DAAS RASTERLITE STACIT STACTA GTI PDF KMLSUPEROVERLAY "
    "PostGISRaster PostgreSQL MySQL MSSQLSpatial Elasticsearch Carto AmigoCloud CSW GeoRSS GPSBabel SXF netCDF HDF5 "
    "HDF5Image BAG JP2OpenJPEG MBTiles"
)
_GDAL = {
    "GDAL_SKIP": ",".join(_SKIPPED.split()),
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_DRIVER_PATH": "disable",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "GDAL_HTTP_TIMEOUT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "CPL_DEBUG": "OFF",
    # GDAL warns of each name above that this build of it does not know; errors reach Python in another way.
    "CPL_LOG": os.devnull,
    "PROJ_NETWORK": "OFF",
    # A JPEG that was cut short is no grey picture.
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
    "GDAL_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": "NO",
}
# What Python, its libraries and the processors need; keys, tokens and proxies of the server stay outside.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH",
         "OMP_NUM_THREADS", "PROJ_DATA", "PROJ_LIB", "GDAL_DATA")  # fmt: skip
# The lowest priority: of two processors' time, a process at the usual one gets 98.5 %.
_BACKGROUND = 19


def worker_environment() -> dict[str, str]:
    """Return the environment of a worker; GDAL reads it when it is loaded, so it must be there before Python starts."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # glibc gives threads heaps of their own, and each keeps 64 MB at hand (`keep_freed_memory`): the threads of two
    # maps would bring a worker to its limit.
    return kept | _GDAL | {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


def harden_process() -> None:
    """Make files private, forbid core dumps, which would hold somebody's image, and leave stopping to the server.

    Ctrl-C and service managers send their signals to the workers too, and the job would seem to have failed.
    """
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_in_background() -> None:
    """Let the other processes of this machine go first: with them idle, this one has all processors as before."""
    if sys.platform != "win32":
        os.nice(_BACKGROUND)


def limit_memory(memory_mb: int) -> None:
    """Bound the memory that this process may take beyond its present size; allocations fail above it, on Linux alone.

    The limit is on writable private memory (RLIMIT_DATA): address space, which RLIMIT_AS counts, says nothing of a
    process with threads and mapped libraries.

    Args:
        memory_mb: The bound in megabytes.
    """
    if sys.platform != "linux":
        return
    import resource

    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    taken = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    limit = taken + memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

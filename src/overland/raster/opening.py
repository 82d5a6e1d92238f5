"""Opening: from a name to a dataset of rasterio, on this machine or on a server, or one sentence that says why not."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from overland.errors import AccessError, DataError
from overland.raster.remote import access_error, is_remote, remote_settings, vsi_path

__all__ = ["open_dataset", "open_or_create", "reading_error", "without_place_warnings"]

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

"""Creation options of GDAL's driver COG that a user gives: known, lossless, and tried before hours of work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from overland.errors import UsageError
from overland.raster.grid import Grid
from overland.raster.output import RasterProfile, copy_to_output, create_dataset, tiling

__all__ = ["check_creation"]

_SIDE = 16
# Options of the driver COG that change neither pixels nor grid.
_CREATION = {
    "BIGTIFF",
    "BLOCKSIZE",
    "COMPRESS",
    "GEOTIFF_VERSION",
    "LEVEL",
    "NUM_THREADS",
    "OVERVIEW_COMPRESS",
    "OVERVIEW_COUNT",
    "OVERVIEW_PREDICTOR",
    "OVERVIEW_RESAMPLING",
    "OVERVIEWS",
    "PREDICTOR",
    "SPARSE_OK",
    "STATISTICS",
}
_LOSSY = {"JPEG", "WEBP", "JXL"}


def check_creation(creation: Mapping[str, str]) -> None:
    """Make sure that creation options work, by a small file in memory.

    Raises `UsageError` for those that the driver COG does not know, that would change pixels or grid, or whose value it
    refuses.
    """
    for name, value in creation.items():
        if name not in _CREATION:
            close = get_close_matches(name.upper(), _CREATION, 1)
            advice = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(sorted(_CREATION))}."
            raise UsageError(f"There is no creation option {name}. {advice}")
        if value.upper() in _LOSSY:
            raise UsageError(f"{name}={value} changes pixels, and these are measurements; take DEFLATE, ZSTD or LZW.")
    if creation:
        _try_creation(creation)


def _try_creation(creation: Mapping[str, str]) -> None:
    profile = RasterProfile(Grid(_SIDE, _SIDE), creation=creation)
    with _CollectedWarnings() as warned, MemoryFile() as source, MemoryFile() as target:
        try:
            with create_dataset(source.name, profile, **tiling(_SIDE, _SIDE)):
                pass
            copy_to_output(source.name, target.name, Path("o.tif"), profile)
        except (RasterioError, CPLE_BaseError) as error:
            warned.append(str(error))
    if warned:
        given = " ".join(f"{name}={value}" for name, value in creation.items())
        raise UsageError(f"GDAL refuses the creation options {given}: {warned[0]}.")


class _CollectedWarnings(logging.Handler):
    """GDAL only warns of a value that it does not know, and takes the default."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def __enter__(self) -> list[str]:
        logging.getLogger("rasterio._env").addHandler(self)
        return self._messages

    def __exit__(self, *error: object) -> None:
        logging.getLogger("rasterio._env").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._messages.append(record.getMessage())

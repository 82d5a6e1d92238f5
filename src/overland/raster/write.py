"""Rasters written: made in GDAL's formats, checked, given class names, put in place when they are whole.

A raster is written window by window to a fresh file, copied to its final format, read back, and renamed. Creation
options of a user are tried on a small file before hours of work.
"""

from __future__ import annotations

import errno
import logging
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterioWindow

from overland.errors import DataError, OverlandError, ResourceError, UsageError
from overland.geo.grid import Grid, Window
from overland.legend import Legend
from overland.output import check_output, fresh_path, fsync_file, replace_atomically, writing_errors
from overland.raster.class_names import write_class_names
from overland.raster.open import open_or_create, rasterio_window

__all__ = [
    "BLOCK",
    "OUTPUT_DRIVERS",
    "RasterProfile",
    "RasterWriter",
    "check_creation",
    "check_raster_output",
    "copy_to_output",
    "create_dataset",
    "create_raster",
    "disk_errors",
    "put_in_place",
    "remove_leftovers",
    "tiling",
    "write_class_map",
]


BLOCK = 512
"""Rows and columns of the blocks of a written file."""
OUTPUT_DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}
"""GDAL's driver for each suffix of an output."""
_SMALL_BLOCK = _SIDE = 16
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
# Of probabilities this makes files an eighth smaller than DEFLATE does by itself, in two thirds of the time.
_MEASURED = {"LEVEL": 1, "PREDICTOR": "YES"}


@dataclass(frozen=True)
class RasterProfile:
    """A raster's grid and bands, whatever the file."""

    grid: Grid
    """Size and place."""
    count: int = 1
    """Number of bands."""
    dtype: str = "uint8"
    """Name of the pixel type."""
    nodata: float | None = None
    """Value that means "no data"."""
    legend: Legend | None = None
    """Colours and class names of a class map; None for another raster."""
    descriptions: Sequence[str] = ()
    """Names of the bands."""
    creation: Mapping[str, str] = field(default_factory=dict)
    """Creation options of GDAL's driver COG on top of ours."""

    @property
    def is_measured(self) -> bool:
        """True when neighbouring values may be averaged; of ids they may not."""
        return self.legend is None and np.dtype(self.dtype).kind == "f"


@contextmanager
def create_dataset(path: Path | str, profile: RasterProfile, driver: str = "GTiff", **options: Any) -> Iterator[Any]:
    """Create a dataset of rasterio with a profile's size, place, colours and names.

    Args:
        path: The file, or a name of GDAL's.
        profile: The raster's grid and bands.
        driver: GDAL's name of the format.
        options: Creation options of the driver.

    Yields:
        The dataset, open for writing.
    """
    grid = profile.grid
    values: dict[str, Any] = {
        "driver": driver,
        "height": grid.height,
        "width": grid.width,
        "count": profile.count,
        "dtype": profile.dtype,
        "nodata": profile.nodata,
        **options,
    }
    if driver == "GTiff" and profile.count > 3:
        # GDAL would take the fourth of four bands of bytes for alpha.
        values.setdefault("photometric", "MINISBLACK")
    if grid.crs is not None:
        values["crs"] = CRS.from_user_input(grid.crs)
    if not grid.transform.is_identity:
        values["transform"] = grid.transform
    with open_or_create(path, "w", **values) as dataset:
        if grid.gcps and grid.gcps_crs:
            dataset.gcps = (list(grid.gcps), CRS.from_user_input(grid.gcps_crs))
        if grid.rpcs is not None:
            dataset.rpcs = grid.rpcs
        if profile.legend is not None:
            dataset.write_colormap(1, {index: (*color, 255) for index, color in enumerate(profile.legend.colors)})
        for band, description in enumerate(profile.descriptions, 1):
            dataset.set_band_description(band, description)
        yield dataset


def tiling(height: int, width: int) -> dict[str, Any]:
    """Give the creation options of a tiled GeoTIFF.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.

    Returns:
        Options of GDAL's driver GTiff, with the blocks of an output of that size.
    """
    block = BLOCK if min(height, width) >= BLOCK else _SMALL_BLOCK
    return {"tiled": True, "blockxsize": block, "blockysize": block, "interleave": "band", "bigtiff": "IF_SAFER"}


def copy_to_output(source: Path | str, target: Path | str, path: Path, profile: RasterProfile) -> None:
    """Copy a raster to the format of an output.

    Args:
        source: The raster.
        target: The file to write.
        path: The output, whose suffix decides the format.
        profile: The raster's grid and bands, with creation options.
    """
    driver = OUTPUT_DRIVERS[path.suffix.lower()]
    options: dict[str, Any] = {}
    if driver == "COG":
        options = {
            "BLOCKSIZE": BLOCK,
            "COMPRESS": "DEFLATE",
            "BIGTIFF": "IF_SAFER",
            "OVERVIEW_RESAMPLING": "AVERAGE" if profile.is_measured else "NEAREST",
            "NUM_THREADS": "ALL_CPUS",
            **({} if "COMPRESS" in profile.creation or not profile.is_measured else _MEASURED),
            **profile.creation,
        }
    rasterio.shutil.copy(source, target, driver=driver, **options)


def put_in_place(made: Path, path: Path, legend: Legend | None) -> None:
    """Give a file that was made beside an output the output's name: on the disk first, then its class names, then it.

    Args:
        made: The file, with GDAL's side file next to it.
        path: The output.
        legend: Class names to put next to it; None for none.
    """
    fsync_file(made)
    write_class_names(Path(f"{made}.aux.xml"), Path(f"{path}.aux.xml"), legend)
    replace_atomically(made, path)


def remove_leftovers(*parts: Path) -> None:
    """Remove files that were on the way, and those that GDAL puts next to them.

    Args:
        parts: Files, which need not exist.
    """
    for part in parts:
        part.unlink(missing_ok=True)
        # Metadata, and overviews while it makes them.
        for suffix in (".aux.xml", ".ovr.tmp", ".msk.ovr.tmp"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path, advice: str = "Free some space, or write to another disk.") -> Iterator[None]:
    """Turn errors of GDAL and of the system into one sentence about an output.

    Args:
        path: The output.
        advice: The sentence for a disk that is full.

    Yields:
        Nothing; the work is done within.

    Raises:
        ResourceError: When the disk is full.
        UsageError: When the place cannot be written.
        DataError: For anything else.
    """
    is_full = f"{path}: the disk is full. {advice}"
    try:
        with writing_errors(path):
            yield
    except OverlandError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
            raise ResourceError(is_full) from error
        raise
    # Errors of a copy and of closing a file come as GDAL's own, which rasterio has not made public.
    except (RasterioError, CPLE_BaseError) as error:
        disk = shutil.disk_usage(path.parent)
        if disk.total and disk.free < 1 << 20:
            raise ResourceError(is_full) from error
        raise DataError(f"{path} cannot be written ({error}).") from error


class RasterWriter:
    """Takes the windows of a raster that is being written; made by `create_raster`."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._checksums: list[tuple[RasterioWindow, int]] = []

    def write(self, pixels: npt.NDArray[Any], window: Window) -> None:
        """Write pixels to a window. Each pixel is to be written once.

        Args:
            pixels: Pixels (height, width) or (bands, height, width).
            window: Their place in the raster.
        """
        pixels = np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels, dtype=self._dataset.dtypes[0])
        where = rasterio_window(window)
        self._dataset.write(pixels, window=where)
        self._checksums.append((where, zlib.crc32(pixels.data)))

    def matches(self, path: Path) -> bool:
        """Compare a file with the pixels that were written.

        Args:
            path: The file.

        Returns:
            True when it holds exactly those.
        """
        with open_or_create(path) as dataset:
            return all(zlib.crc32(dataset.read(window=where)) == checksum for where, checksum in self._checksums)


def check_raster_output(path: str | Path, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()) -> Path:
    """Make sure that a raster may be written, before any work is done for it.

    Args:
        path: The file; its suffix decides the format (.tif, .tiff or .png).
        overwrite: Replace a file that is there.
        inputs: Files that are read; see `overland.raster.input_files`.

    Returns:
        The path.

    Raises:
        UsageError: When it may not be written; see `overland.output.check_output`.
        ResourceError: When its disk is full.
    """
    return check_output(path, suffixes=tuple(OUTPUT_DRIVERS), overwrite=overwrite, inputs=inputs)


@contextmanager
def create_raster(
    path: str | Path,
    grid: Grid,
    *,
    count: int = 1,
    dtype: str = "uint8",
    nodata: float | None = None,
    legend: Legend | None = None,
    descriptions: Sequence[str] = (),
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Iterator[RasterWriter]:
    """Write a raster window by window; the file appears under its name only when it is whole.

    A `.tif` becomes a cloud-optimised GeoTIFF with overviews, a `.png` a plain image. The pixels are read back before
    the file is renamed.

    Args:
        path: The file.
        grid: Size and place.
        count: Number of bands.
        dtype: Name of the pixel type.
        nodata: Value that means "no data".
        legend: Colours and class names, which go to `<name>.tif.aux.xml`, where QGIS looks for them.
        descriptions: Names of the bands.
        overwrite: Replace a file that is there.
        inputs: Files that are read; the output is none of them.

    Yields:
        The writer of its windows.

    Raises:
        UsageError: For an output that may not be written.
        ResourceError: When the disk is full.
    """
    path = check_raster_output(path, overwrite=overwrite, inputs=inputs)
    profile = RasterProfile(grid, count, dtype, nodata, legend, descriptions)
    part, final_part = fresh_path(path, ".pixels.part"), fresh_path(path, ".final.part")
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # The part file lives for minutes: the cheapest level is enough, the final file gets the good one.
            options = {"compress": "deflate", "zlevel": 1, **tiling(grid.height, grid.width)}
            with create_dataset(part, profile, **options) as dataset:
                writer = RasterWriter(dataset)
                yield writer
            copy_to_output(part, final_part, path, profile)
            if not writer.matches(final_part):
                # GDAL reports a full disk to nobody when it happens as a file is closed; only reading tells.
                raise ResourceError(f"{path}: what was written does not read back. Is the disk full or failing?")
            put_in_place(final_part, path, legend)
    finally:
        remove_leftovers(part, final_part)


def write_class_map(
    path: str | Path, mask: npt.NDArray[np.uint8], grid: Grid, legend: Legend, *, overwrite: bool = False
) -> None:
    """Write a mask that is in memory as a class map with colours, names and nodata.

    Args:
        path: The file.
        mask: Class ids, uint8 (height, width).
        grid: Size and place.
        legend: Its classes.
        overwrite: Replace a file that is there.

    Raises:
        UsageError: For an output that may not be written.
        ResourceError: When the disk is full.
    """
    with create_raster(path, grid, nodata=legend.ignore_index, legend=legend, overwrite=overwrite) as writer:
        writer.write(mask, grid.window)


def check_creation(creation: Mapping[str, str]) -> None:
    """Make sure that creation options work, by a small file in memory.

    Args:
        creation: Options of GDAL's driver COG by name.

    Raises:
        UsageError: For those that the driver does not know, that would change pixels or grid, or whose value it
            refuses.
    """
    for name, value in creation.items():
        if name not in _CREATION:
            close = get_close_matches(name.upper(), _CREATION, 1)
            advice = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(sorted(_CREATION))}."
            raise UsageError(f"There is no creation option {name}. {advice}")
        if value.upper() in _LOSSY:
            raise UsageError(f"{name}={value} changes pixels, and these are measurements; take DEFLATE, ZSTD or LZW.")
    if not creation:
        return
    profile = RasterProfile(Grid(height=_SIDE, width=_SIDE), creation=creation)
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
    """Warnings of GDAL: of a value that it does not know it only warns, and takes the default."""

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

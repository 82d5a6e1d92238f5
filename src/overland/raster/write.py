"""Writing: a raster window by window, to a part file, read back, then renamed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window as RasterioWindow

from overland.errors import ResourceError, UsageError
from overland.legend import Legend
from overland.raster.grid import Grid, Window
from overland.raster.opening import open_or_create
from overland.raster.output import (
    OUTPUT_DRIVERS,
    RasterProfile,
    copy_to_output,
    create_dataset,
    disk_errors,
    put_in_place,
    remove_leftovers,
    tiling,
)

__all__ = ["RasterWriter", "check_output", "create_raster", "write_class_map"]


class RasterWriter:
    """Takes the windows of a raster that is being written; made by `create_raster`."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._checksums: list[tuple[RasterioWindow, int]] = []

    def write(self, pixels: npt.NDArray[Any], window: Window) -> None:
        """Write pixels (height, width) or (bands, height, width) to a window. Each pixel is to be written once."""
        pixels = np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels, dtype=self._dataset.dtypes[0])
        where = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
        self._dataset.write(pixels, window=where)
        self._checksums.append((where, zlib.crc32(pixels.data)))

    def matches(self, path: Path) -> bool:
        """Whether a file holds exactly the pixels that were written."""
        with open_or_create(path) as dataset:
            return all(zlib.crc32(dataset.read(window=where)) == checksum for where, checksum in self._checksums)


def check_output(
    path: str | Path, *, overwrite: bool = False, suffixes: tuple[str, ...] = tuple(OUTPUT_DRIVERS)
) -> Path:
    """Make sure that a file may be written: suffix known, folder there, nothing replaced unless `overwrite`.

    Raises `UsageError` otherwise.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: the output's suffix must be one of {', '.join(suffixes)}; it decides the format.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already. Add --overwrite to replace it, or choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be made a folder ({error.strerror}).") from error
    return path


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
) -> Iterator[RasterWriter]:
    """Write a raster window by window; the file appears under its name only when it is whole.

    A `.tif` becomes a cloud-optimised GeoTIFF with overviews, a `.png` a plain image. With a legend the colours and
    the class names (in `<name>.tif.aux.xml`, where QGIS looks) go along; `descriptions` name the bands. The pixels are
    read back before the file is renamed. Raises `UsageError` for an output that may not be written, `ResourceError`
    when the disk is full.
    """
    path = check_output(path, overwrite=overwrite)
    profile = RasterProfile(grid, count, dtype, nodata, legend, descriptions)
    part = path.with_name(path.name + ".pixels.part")
    final_part = path.with_name(path.name + ".final.part")
    try:
        with disk_errors(path):
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
    """Write a mask (height, width) of class ids as a class map with colours, names and nodata."""
    with create_raster(path, grid, nodata=legend.ignore_index, legend=legend, overwrite=overwrite) as writer:
        writer.write(mask, grid.window)

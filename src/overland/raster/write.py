"""Writing: a raster window by window, to a part file, read back, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from overland.errors import DataError, OverlandError, ResourceError, UsageError
from overland.legend import Legend
from overland.raster.grid import Grid, Window

__all__ = ["RasterWriter", "check_output", "create_raster", "write_class_map"]

_BLOCK = 512
_SMALL_BLOCK = 16
_DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}


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
        with _open_quietly(path) as dataset:
            return all(zlib.crc32(dataset.read(window=where)) == checksum for where, checksum in self._checksums)


def check_output(path: str | Path, *, overwrite: bool = False, suffixes: tuple[str, ...] = tuple(_DRIVERS)) -> Path:
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
    part = path.with_name(path.name + ".part")
    final_part = path.with_name(path.name + ".final.part")
    try:
        with _disk_errors(path):
            with _create_dataset(part, grid, count, dtype, nodata, legend, descriptions) as dataset:
                writer = RasterWriter(dataset)
                yield writer
            is_class_map = legend is not None or np.dtype(dtype).kind not in "f"
            _translate(part, final_part, _DRIVERS[path.suffix.lower()], is_class_map)
            _put_in_place(final_part, path, writer, legend)
    finally:
        _remove_leftovers(part, final_part)


def write_class_map(
    path: str | Path, mask: npt.NDArray[np.uint8], grid: Grid, legend: Legend, *, overwrite: bool = False
) -> None:
    """Write a mask (height, width) of class ids as a class map with colours, names and nodata."""
    with create_raster(path, grid, nodata=legend.ignore_index, legend=legend, overwrite=overwrite) as writer:
        writer.write(mask, grid.window)


@contextmanager
def _create_dataset(
    path: Path,
    grid: Grid,
    count: int,
    dtype: str,
    nodata: float | None,
    legend: Legend | None,
    descriptions: Sequence[str],
) -> Iterator[Any]:
    block = _BLOCK if min(grid.height, grid.width) >= _BLOCK else _SMALL_BLOCK
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": count,
        "dtype": dtype,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        # The part file lives for minutes: the cheapest level is enough, the final file gets the good one.
        "compress": "deflate",
        "zlevel": 1,
        "interleave": "band",
        "bigtiff": "IF_SAFER",
    }
    if grid.crs is not None:
        profile["crs"] = CRS.from_user_input(grid.crs)
    if not grid.transform.is_identity:
        profile["transform"] = grid.transform
    with _quiet(), rasterio.open(path, "w", **profile) as dataset:
        if grid.gcps and grid.gcps_crs:
            dataset.gcps = (list(grid.gcps), CRS.from_user_input(grid.gcps_crs))
        if legend is not None:
            dataset.write_colormap(1, {index: (*color, 255) for index, color in enumerate(legend.colors)})
        for band, description in enumerate(descriptions, 1):
            dataset.set_band_description(band, description)
        yield dataset


def _translate(source: Path, target: Path, driver: str, is_class_map: bool) -> None:
    options: dict[str, Any] = {}
    if driver == "COG":
        options = {
            "BLOCKSIZE": _BLOCK,
            "COMPRESS": "DEFLATE",
            "BIGTIFF": "IF_SAFER",
            "OVERVIEW_RESAMPLING": "NEAREST" if is_class_map else "AVERAGE",
            "NUM_THREADS": "ALL_CPUS",
        }
    with _quiet():
        rasterio.shutil.copy(source, target, driver=driver, **options)


def _put_in_place(final_part: Path, path: Path, writer: RasterWriter, legend: Legend | None) -> None:
    if not writer.matches(final_part):
        # GDAL reports a full disk to nobody when it happens as a file is closed; only reading tells.
        raise ResourceError(f"{path}: what was written does not read back. Is the disk full or failing?")
    _sync(final_part)
    _write_sidecar(Path(f"{final_part}.aux.xml"), Path(f"{path}.aux.xml"), legend)
    final_part.replace(path)


def _remove_leftovers(*parts: Path) -> None:
    for part in parts:
        part.unlink(missing_ok=True)
        # GDAL puts its own files beside: metadata, and overviews while it makes them.
        for suffix in (".aux.xml", ".ovr.tmp", ".msk.ovr.tmp"):
            Path(f"{part}{suffix}").unlink(missing_ok=True)


def _write_sidecar(metadata: Path, sidecar: Path, legend: Legend | None) -> None:
    # GDAL's own metadata (a PNG's place on the ground) and our class names share one file.
    root = ElementTree.parse(metadata).getroot() if metadata.exists() else ElementTree.Element("PAMDataset")
    if legend is not None:
        band = root.find("PAMRasterBand")
        band = ElementTree.SubElement(root, "PAMRasterBand", band="1") if band is None else band
        categories = ElementTree.SubElement(band, "CategoryNames")
        for name in legend.names:
            ElementTree.SubElement(categories, "Category").text = name
    if len(root) == 0:
        sidecar.unlink(missing_ok=True)
        return
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(metadata, encoding="utf-8")
    metadata.replace(sidecar)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OverlandError:
        raise
    # Errors of a copy and of closing a file come as GDAL's own, which rasterio has not made public.
    except (RasterioError, CPLE_BaseError, OSError) as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or shutil.disk_usage(path.parent).free < 1 << 20:
            raise ResourceError(f"{path}: the disk is full. Free some space, or write to another disk.") from error
        raise DataError(f"{path} cannot be written ({error}).") from error


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def _open_quietly(path: Path) -> Iterator[Any]:
    with _quiet(), rasterio.open(path) as dataset:
        yield dataset

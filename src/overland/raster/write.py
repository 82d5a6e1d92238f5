"""Files that are about to become an output: made in GDAL's formats, checked, given class names, put in place."""

from __future__ import annotations

import errno
import logging
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

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
from overland.output import fsync_file, replace_atomically
from overland.raster.open import open_or_create

__all__ = [
    "BLOCK",
    "OUTPUT_DRIVERS",
    "RasterProfile",
    "RasterWriter",
    "check_creation",
    "check_output",
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
OUTPUT_DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG"}
_SMALL_BLOCK = 16
# Of probabilities this makes files an eighth smaller than DEFLATE does by itself, in two thirds of the time.
_MEASURED = {"LEVEL": 1, "PREDICTOR": "YES"}


@dataclass(frozen=True)
class RasterProfile:
    """What a raster is, whatever the file: its grid, its bands, and what goes along with them.

    With a legend it is a class map: colours and class names go along. `descriptions` name the bands. `creation` are
    creation options of GDAL's driver COG on top of ours.
    """

    grid: Grid
    count: int = 1
    dtype: str = "uint8"
    nodata: float | None = None
    legend: Legend | None = None
    descriptions: Sequence[str] = ()
    creation: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_measured(self) -> bool:
        """Whether neighbouring values may be averaged; of ids they may not."""
        return self.legend is None and np.dtype(self.dtype).kind == "f"


@contextmanager
def create_dataset(path: Path | str, profile: RasterProfile, driver: str = "GTiff", **options: Any) -> Iterator[Any]:
    """Create a dataset of rasterio with a profile's size, place, colours and names; `options` are the driver's."""
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
        if profile.legend is not None:
            dataset.write_colormap(1, {index: (*color, 255) for index, color in enumerate(profile.legend.colors)})
        for band, description in enumerate(profile.descriptions, 1):
            dataset.set_band_description(band, description)
        yield dataset


def tiling(height: int, width: int) -> dict[str, Any]:
    """Creation options of a tiled GeoTIFF with the blocks of an output of that size."""
    block = BLOCK if min(height, width) >= BLOCK else _SMALL_BLOCK
    return {"tiled": True, "blockxsize": block, "blockysize": block, "interleave": "band", "bigtiff": "IF_SAFER"}


def copy_to_output(source: Path | str, target: Path | str, path: Path, profile: RasterProfile) -> None:
    """Copy a raster to `target` in the format that the suffix of `path` asks for."""
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
    """Give a file that was made beside its name: on the disk first, then its class names, then the file itself."""
    fsync_file(made)
    _write_sidecar(Path(f"{made}.aux.xml"), Path(f"{path}.aux.xml"), legend)
    replace_atomically(made, path)


def remove_leftovers(*parts: Path) -> None:
    """Remove files that were on the way, and what GDAL puts beside them."""
    for part in parts:
        part.unlink(missing_ok=True)
        # Metadata, and overviews while it makes them.
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
def disk_errors(path: Path, advice: str = "Free some space, or write to another disk.") -> Iterator[None]:
    """Say in one sentence why writing failed: `ResourceError` when the disk is full, else `DataError`."""
    try:
        yield
    except OverlandError:
        raise
    # Errors of a copy and of closing a file come as GDAL's own, which rasterio has not made public.
    except (RasterioError, CPLE_BaseError, OSError) as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or shutil.disk_usage(path.parent).free < 1 << 20:
            raise ResourceError(f"{path}: the disk is full. {advice}") from error
        raise DataError(f"{path} cannot be written ({error}).") from error


# Writing: a raster window by window, to a part file, read back, then renamed.


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


# Creation options of GDAL's driver COG that a user gives: known, lossless, and tried before hours of work.

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

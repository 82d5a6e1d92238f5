"""Files that are about to become an output: made in GDAL's formats, checked, given class names, put in place."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from overland.errors import DataError, OverlandError, ResourceError
from overland.legend import Legend
from overland.raster.durable import replace_durably, sync_file
from overland.raster.grid import Grid
from overland.raster.opening import open_or_create

__all__ = [
    "BLOCK",
    "OUTPUT_DRIVERS",
    "RasterProfile",
    "copy_to_output",
    "create_dataset",
    "disk_errors",
    "put_in_place",
    "remove_leftovers",
    "tiling",
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
    sync_file(made)
    _write_sidecar(Path(f"{made}.aux.xml"), Path(f"{path}.aux.xml"), legend)
    replace_durably(made, path)


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

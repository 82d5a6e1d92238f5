"""Rasters read and written: the only door to rasterio."""

from __future__ import annotations

import os

# GDAL keeps 5 % of the machine's memory as block cache, so memory would grow with the raster until that is full.
# Overland reads every block once; a small cache is as fast. A value that the user has set is kept.
os.environ.setdefault("GDAL_CACHEMAX", "32")
# GDAL's fast way of reading a whole PNG gives whatever memory holds, and no error, where the file was cut short.
os.environ.setdefault("GDAL_PNG_WHOLE_IMAGE_OPTIM", "NO")

from overland.geo.grid import Grid, Window
from overland.raster.open import input_files, library_versions
from overland.raster.read import Scene, open_scene, read_image
from overland.raster.write import RasterWriter, create_raster, write_class_map

__all__ = [
    "Grid",
    "RasterWriter",
    "Scene",
    "Window",
    "create_raster",
    "input_files",
    "library_versions",
    "open_scene",
    "read_image",
    "write_class_map",
]

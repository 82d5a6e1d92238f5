"""Versions of the C libraries below rasterio."""

from __future__ import annotations

import rasterio

__all__ = ["library_versions"]


def library_versions() -> dict[str, str]:
    """Versions of GDAL, PROJ and GEOS that rasters are read and written with."""
    return {"GDAL": rasterio.__gdal_version__, "PROJ": rasterio.__proj_version__, "GEOS": rasterio.__geos_version__}

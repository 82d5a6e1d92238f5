"""Polygons to pixels: the inverse of tracing."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import rasterio.features
from affine import Affine

from overland.raster.grid import Window

__all__ = ["burn_shapes"]


def burn_shapes(
    geometries: npt.NDArray[Any],
    ids: npt.NDArray[Any],
    window: Window,
    *,
    all_touched: bool = False,
    dtype: Literal["uint8", "int32"] = "uint8",
) -> npt.NDArray[Any]:
    """Give the pixels whose centre lies in a geometry its id, the others 0; of geometries that overlap the last wins.

    `geometries` lie in pixels of the raster (x = column, y = row), `ids` are 0 to 255, or any of the `dtype` given.
    `all_touched` takes every pixel that is touched. Returns an array (height, width) of the window.
    Source: GDALRasterizeGeometries.
    """
    shape = (window.height, window.width)
    if not len(geometries):
        return np.zeros(shape, dtype)
    burned: npt.NDArray[Any] = rasterio.features.rasterize(
        zip(geometries, ids.tolist(), strict=True),
        out_shape=shape,
        transform=Affine.translation(window.col_off, window.row_off),
        all_touched=all_touched,
        dtype=dtype,
    )
    return burned

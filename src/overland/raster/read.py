"""Reading: an open raster, its pixels window by window, and which of them hold data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window
from overland.legend import Legend, legend_from_names
from overland.raster.open import file_identity, open_dataset, reading_error, without_place_warnings

__all__ = ["Scene", "open_scene", "read_image"]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]


class Scene:
    """An open raster. Use it in a `with` statement, and in one thread at a time.

    Bands are counted from 1, as in rasterio. A palette is read as its indices; `expand_palette` reads it as the
    three bands red, green, blue instead. `driver` is GDAL's name of the only format that the file may have. `nodata`
    takes the place of the value that the file declares.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        expand_palette: bool = False,
        driver: str | None = None,
        nodata: float | None = None,
    ) -> None:
        self.path = str(path)
        self._dataset = open_dataset(self.path, driver)
        self._palette = _palette_of(self._dataset) if expand_palette else None
        self.grid = _grid_of(self._dataset)
        self._nodata = self._dataset.nodata if nodata is None else self._checked_nodata(float(nodata))
        self._alpha_band: int | None = next(
            (i for i, kind in enumerate(self._dataset.colorinterp, 1) if kind == ColorInterp.alpha), None
        )

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read after it."""
        self._dataset.close()

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.grid.height

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.grid.width

    @property
    def count(self) -> int:
        """Number of bands, an alpha band included."""
        return 3 if self._palette is not None else int(self._dataset.count)

    @property
    def data_bands(self) -> tuple[int, ...]:
        """The bands that hold measurements: all but an alpha band."""
        alpha_band = None if self._palette is not None else self._alpha_band
        return tuple(band for band in range(1, self.count + 1) if band != alpha_band)

    @property
    def dtype(self) -> str:
        """Name of the pixel type, such as "uint8"."""
        return str(self._dataset.dtypes[0])

    @property
    def nodata(self) -> float | None:
        """The value that means "no data", None when the file declares none and none was given."""
        return None if self._nodata is None else float(self._nodata)

    @property
    def identity(self) -> str:
        """Enough of the file, or of what its server tells, to notice that it has changed."""
        return file_identity(self.path, self._dataset)

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """The name of each band, None where it has none."""
        return tuple(self._dataset.descriptions)

    @property
    def driver(self) -> str:
        """GDAL's name of the file format."""
        return str(self._dataset.driver)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the blocks in which the file is stored."""
        rows, cols = self._dataset.block_shapes[0]
        return int(rows), int(cols)

    @property
    def palette(self) -> dict[int, tuple[int, int, int]] | None:
        """Colour of each value, None when the file has no colour table."""
        colors = _colormap_of(self._dataset)
        return (
            None if colors is None else {value: (red, green, blue) for value, (red, green, blue, _) in colors.items()}
        )

    @property
    def legend(self) -> Legend | None:
        """The legend stored with a class map (category names, colour table); None when there is none."""
        names = _category_names(self.path)
        if not names:
            return None
        palette = self.palette
        colors = None if palette is None else [palette.get(index, (0, 0, 0)) for index in range(len(names))]
        return legend_from_names(names, colors)

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> tuple[Pixels, Valid]:
        """Read pixels and which of them hold data.

        Returns an array (bands, height, width) in the file's type and a boolean array (height, width). A pixel holds
        no data where an alpha band or an internal mask is 0, where every band read equals nodata, or where any is NaN.
        An alpha band that is itself read counts as a measurement: some cameras' fourth band is wrongly marked so.
        Raises `DataError` for a band that does not exist and for a file that cannot be read.
        """
        window = window or self.grid.window
        bands = tuple(bands or self.data_bands)
        self._check_bands(bands)
        where = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
        try:
            if self._palette is not None:
                indices = self._dataset.read(1, window=where)
                pixels = self._palette[indices].transpose(2, 0, 1)[[band - 1 for band in bands]]
            else:
                pixels = self._dataset.read(list(bands), window=where)
            valid = self._valid(pixels, where, bands)
        except RasterioError as error:
            raise reading_error(self.path, (window.row_off, window.row_end), error) from error
        return pixels, valid

    def read_padded(self, window: Window, bands: Sequence[int] | None = None) -> tuple[Pixels, Valid]:
        """Read a window that may reach beyond the raster; what lies outside is filled by reflection at the edge.

        Shapes as in `read`. Reflected pixels hold data where the pixel they mirror does.
        """
        inside = window.intersection(self.grid.window)
        if inside.height == 0 or inside.width == 0:
            raise DataError(f"{self.path}: {window} lies outside the raster of {self.height} x {self.width} pixels.")
        pixels, valid = self.read(inside, bands)
        pad = (
            (inside.row_off - window.row_off, window.row_end - inside.row_end),
            (inside.col_off - window.col_off, window.col_end - inside.col_end),
        )
        if not any(side for axis in pad for side in axis):
            return pixels, valid
        return np.pad(pixels, ((0, 0), *pad), mode="reflect"), np.pad(valid, pad, mode="reflect")

    def _checked_nodata(self, value: float) -> float:
        dtype = np.dtype(self._dataset.dtypes[0])
        if dtype.kind in "ui" and _value_of_type(value, dtype) is None:
            self.close()
            raise UsageError(f"{self.path} holds {dtype}, which cannot be {value:g}; choose another --nodata.")
        return value

    def _check_bands(self, bands: Sequence[int]) -> None:
        missing = [band for band in bands if not 1 <= band <= self.count]
        if missing:
            raise DataError(f"{self.path}: band {missing[0]} was asked for, the file has bands 1 to {self.count}.")

    def _valid(self, pixels: Pixels, where: RasterioWindow, bands: tuple[int, ...]) -> Valid:
        valid = np.ones(pixels.shape[1:], dtype=bool)
        if self._alpha_band is not None:
            if self._alpha_band not in bands:
                valid &= self._dataset.read(self._alpha_band, window=where) > 0
        elif MaskFlags.per_dataset in self._dataset.mask_flag_enums[0]:
            valid &= self._dataset.read_masks(1, window=where) > 0
        nodata = None if self._palette is not None else _value_of_type(self.nodata, pixels.dtype)
        if nodata is not None:
            valid &= (pixels != nodata).any(axis=0)
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(pixels).all(axis=0)
        return valid


def open_scene(
    path: str | Path, *, expand_palette: bool = False, driver: str | None = None, nodata: float | None = None
) -> Scene:
    """Open a raster or a plain image: a file, or the URL of one (https, s3, or a path of GDAL's such as /vsicurl/...).

    `driver` fixes the format by GDAL's name for it, for files of strangers: a .tif may be XML that names other files.
    `nodata` takes the place of the value that the file declares. Raises `DataError` when it does not exist or is no
    raster, `AccessError` when its server does not give it, `UsageError` for a nodata that its type cannot hold.
    """
    return Scene(path, expand_palette=expand_palette, driver=driver, nodata=nodata)


def read_image(path: str | Path, *, expand_palette: bool = True) -> tuple[Pixels, Valid]:
    """Read a whole image: an array (bands, height, width) without the alpha band, and where it holds data."""
    with open_scene(path, expand_palette=expand_palette) as scene:
        return scene.read()


def _grid_of(dataset: Any) -> Grid:
    gcps, gcps_crs = dataset.gcps
    with without_place_warnings():
        transform: Affine = dataset.transform
    return Grid(
        height=dataset.height,
        width=dataset.width,
        transform=transform,
        crs=dataset.crs.to_string() if dataset.crs else None,
        gcps=tuple(gcps),
        gcps_crs=gcps_crs.to_string() if gcps_crs else None,
    )


def _colormap_of(dataset: Any) -> dict[int, tuple[int, int, int, int]] | None:
    if dataset.count > 2 or dataset.colorinterp[0] != ColorInterp.palette:
        return None
    return dict(dataset.colormap(1))


def _palette_of(dataset: Any) -> npt.NDArray[np.uint8] | None:
    colors = _colormap_of(dataset)
    if colors is None:
        return None
    table = np.zeros((max(256, max(colors) + 1), 3), dtype=np.uint8)
    for value, (red, green, blue, _) in colors.items():
        table[value] = red, green, blue
    return table


def _value_of_type(value: float | None, dtype: np.dtype[Any]) -> Any:
    # Compared as a float, a band of bytes would be copied at eight times its size.
    if value is None or np.isnan(value):
        return None
    if dtype.kind in "ui" and not (value.is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max):
        return None
    return dtype.type(value)


def _category_names(path: str) -> list[str]:
    sidecar = Path(f"{path}.aux.xml")
    if not sidecar.is_file():
        return []
    try:
        categories = ElementTree.parse(sidecar).findall("PAMRasterBand[@band='1']/CategoryNames/Category")
    except ElementTree.ParseError as error:
        raise DataError(
            f"{sidecar} holds the class names and cannot be read ({error}); delete it or write it again."
        ) from error
    return [category.text or "" for category in categories]

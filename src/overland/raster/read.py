"""The one door in for rasters: an open raster, its pixels window by window, and which of them hold data.

What a file says of itself is respected here, so that nobody else has to: nodata of each band, masks, alpha, palettes,
grey that is stored upside down (white is zero), pictures that a camera stored turned, rows that run northwards, the
roles of the bands.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError, RasterioError

from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window
from overland.legend import Color, Legend
from overland.raster.class_names import read_legend
from overland.raster.open import (
    file_identity,
    input_files,
    open_dataset,
    rasterio_window,
    reading_error,
    without_place_warnings,
)

__all__ = ["Pixels", "Scene", "Valid", "open_scene", "read_image"]

logger = logging.getLogger(__name__)

Pixels = npt.NDArray[Any]
"""Pixels (bands, height, width) in the type of the file."""
Valid = npt.NDArray[np.bool_]
"""Pixels that hold data, booleans (height, width)."""

# A camera's orientation as EXIF counts it: whether rows and columns are stored backwards, and whether they are swapped.
_TURNS = {
    "2": (False, True, False),
    "3": (True, True, False),
    "4": (True, False, False),
    "5": (False, False, True),
    "6": (True, False, True),
    "7": (True, True, True),
    "8": (False, True, True),
}
_FROM_THE_SOUTH = (True, False, False)
_ORIENTATION, _MOST_TAGS = 274, 1000
_COLORS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
# Alpha is clear or opaque nearly everywhere; an infrared band that is called so has many values, or others.
# The last channel of these formats is alpha by definition, whatever its values.
_ALPHA_BY_FORMAT = ("PNG", "WEBP", "GIF")
_SAMPLE, _SAMPLES, _MOST_SOFT, _MOST_VALUES = 64, 4, 0.05, 16
_OPAQUE = (0, 1, 255, 65535)


class Scene:
    """An open raster. Use it in a `with` statement, and in one thread at a time.

    Bands are counted from 1, as in rasterio.

    Args:
        path: A file, a name of GDAL's, or a URL.
        expand_palette: Read a palette as the three bands red, green, blue; else it is read as its indices.
        driver: The only format that the file may have, by GDAL's name.
        nodata: The value that means "no data", in place of those that the file declares.
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
        try:
            has_palette = self._dataset.count <= 2 and self._dataset.colorinterp[0] == ColorInterp.palette
            self._colormap = dict(self._dataset.colormap(1)) if has_palette else None
            self._palette = _palette_of(self._colormap) if expand_palette else None
            # The value that is stored for black, where white is stored as 0.
            self._white: int | None = None
            is_inverted = self._dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"
            if self._palette is None and is_inverted and self.dtype.startswith("uint"):
                bits = self._dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
                self._white = 2 ** int(bits) - 1 if bits else int(np.iinfo(self.dtype).max)
            self._turn = _turn_of(self._dataset, self.path)
            self.grid = _grid_of(self._dataset, self.path, self._turn)
            self._given_nodata = None if nodata is None else float(nodata)
            if self._given_nodata is not None:
                dtype = np.dtype(self.dtype)
                if dtype.kind in "ui" and _value_of_type(self._given_nodata, dtype) is None:
                    raise UsageError(f"{self.path} holds {dtype}, which cannot be {nodata:g}; choose another --nodata.")
                if self._white is not None:
                    self._given_nodata = self._white - self._given_nodata
        except CPLE_BaseError as error:
            # A damaged header is noticed late: rasterio hands on GDAL's own errors where it asks for colours and tags.
            self.close()
            raise DataError(f"{self.path} is damaged ({error.errmsg}). Copy it again.") from error
        except BaseException:
            self.close()
            raise
        # Found out and kept by those who read class ids.
        self.is_white_on_nodata: bool | None = None
        self._marked_alpha: int | None = next(
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

    @cached_property
    def data_bands(self) -> tuple[int, ...]:
        """Bands that hold measurements, all but an alpha band; red, green and blue first where the file names them."""
        if self._palette is not None:
            return 1, 2, 3
        bands = [band for band in range(1, self.count + 1) if band != self._alpha_band]
        roles = [self._dataset.colorinterp[band - 1] for band in bands]
        if all(roles.count(color) == 1 for color in _COLORS):
            colors = [bands[roles.index(color)] for color in _COLORS]
            ordered = [*colors, *(band for band in bands if band not in colors)]
            if ordered != bands:
                logger.info("%s names its colours: read as bands %s.", self.path, ",".join(map(str, ordered)))
            bands = ordered
        return tuple(bands)

    @property
    def dtype(self) -> str:
        """Name of the pixel type of the first band, such as "uint8"."""
        return str(self._dataset.dtypes[0])

    @property
    def nodata(self) -> float | None:
        """Value of the first band that means "no data"; None when the file declares none and none was given."""
        value = self._nodata_of(1)
        return None if value is None else float(value if self._white is None else self._white - value)

    @property
    def identity(self) -> str:
        """Enough of the file, or of the answer of its server, to notice that it has changed."""
        return file_identity(self.path, self._dataset)

    @property
    def files(self) -> list[Path]:
        """Files of this machine that it is read from, those behind a VRT included."""
        return list(dict.fromkeys([*input_files(self.path), *map(Path, self._dataset.files)]))

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Name of each band, None where it has none."""
        return tuple(self._dataset.descriptions)

    @property
    def driver(self) -> str:
        """Name that GDAL has for the file format."""
        return str(self._dataset.driver)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the blocks in which the file is stored."""
        rows, cols = self._dataset.block_shapes[0]
        return (int(cols), int(rows)) if self._turn is not None and self._turn[2] else (int(rows), int(cols))

    @property
    def palette(self) -> dict[int, Color] | None:
        """Colour of each value, None when the file has no colour table."""
        if self._colormap is None:
            return None
        return {
            value if self._white is None else self._white - value: (red, green, blue)
            for value, (red, green, blue, _) in self._colormap.items()
        }

    @cached_property
    def legend(self) -> Legend | None:
        """Legend stored with a class map (names, colour table, attribute table); None when there is none."""
        return read_legend(self.path, self.palette)

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> tuple[Pixels, Valid]:
        """Read pixels and which of them hold data.

        A pixel holds no data where an alpha band or an internal mask is 0, where every band that is read holds its own
        nodata value, and where any is NaN. An alpha band that is itself read counts as a measurement.

        Args:
            window: The pixels to read; the whole raster by default.
            bands: The bands to read, in this order; by default `data_bands`.

        Returns:
            Pixels (bands, height, width) in the file's type, and booleans (height, width).

        Raises:
            DataError: For a band that does not exist, bands of several types, and a file that cannot be read.
        """
        window = window or self.grid.window
        bands = tuple(bands or self.data_bands)
        missing = [band for band in bands if not 1 <= band <= self.count]
        if missing:
            raise DataError(f"{self.path}: band {missing[0]} was asked for, the file has bands 1 to {self.count}.")
        types = [self._dataset.dtypes[band - 1] for band in bands] if self._palette is None else []
        if len(set(types)) > 1:
            raise DataError(
                f"{self.path}: the bands {', '.join(map(str, bands))} hold {', '.join(types)}; choose bands of one "
                "type (--bands, -b)."
            )
        where = rasterio_window(self._stored(window))
        try:
            if self._palette is not None:
                indices = self._dataset.read(1, window=where)
                pixels = self._palette[indices].transpose(2, 0, 1)[[band - 1 for band in bands]]
                clear = [value for value, color in (self._colormap or {}).items() if color[3] == 0]
                valid = self._valid(indices[None], where, (1,)) & ~np.isin(indices, clear)
            else:
                pixels = self._dataset.read(list(bands), window=where)
                valid = self._valid(pixels, where, bands)
        except RasterioError as error:
            raise reading_error(self.path, (window.row_off, window.row_end), error) from error
        if self._white is not None:
            pixels = np.asarray(self._white - pixels, dtype=pixels.dtype)
        return self._turned(pixels), self._turned(valid)

    def read_padded(self, window: Window, bands: Sequence[int] | None = None) -> tuple[Pixels, Valid]:
        """Read a window that may reach beyond the raster; the pixels outside mirror those inside.

        Args:
            window: The pixels to read, some of them inside the raster.
            bands: The bands to read; by default `data_bands`.

        Returns:
            Shapes as in `read`. Mirrored pixels hold data where the pixel they mirror does.

        Raises:
            DataError: For a window that lies outside, and as `read` does.
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

    @cached_property
    def _alpha_band(self) -> int | None:
        """The band that is marked as alpha and can be alpha: clear or opaque nearly everywhere."""
        band = self._marked_alpha
        if band is None or self._dataset.driver in _ALPHA_BY_FORMAT:
            return band
        height, width = self._dataset.height, self._dataset.width
        starts = [
            (int(row), int(col))
            for row in np.linspace(0, max(0, height - _SAMPLE), _SAMPLES)
            for col in np.linspace(0, max(0, width - _SAMPLE), _SAMPLES)
        ]
        try:
            samples = [
                self._dataset.read(
                    band,
                    window=rasterio_window(
                        Window(col_off=col, row_off=row, width=min(_SAMPLE, width), height=min(_SAMPLE, height))
                    ),
                ).ravel()
                for row, col in starts
            ]
        except RasterioError:
            return band  # a damaged file is told by the read that needs it
        values = np.concatenate(samples)
        soft = values[(values != 0) & (values != values.max())]
        has_few = len(soft) <= _MOST_SOFT * len(values) or len(np.unique(soft)) <= _MOST_VALUES
        if has_few and values.max() in _OPAQUE:
            return band
        logger.warning(
            "%s: band %d is marked as alpha and its values are not those of alpha, so it is read as a measurement; "
            "choose bands to leave it out.",
            self.path,
            band,
        )
        return None

    def _nodata_of(self, band: int) -> float | None:
        """Give the value that is stored for "no data"."""
        return self._given_nodata if self._given_nodata is not None else self._dataset.nodatavals[band - 1]

    def _valid(self, pixels: Pixels, where: Any, bands: tuple[int, ...]) -> Valid:
        valid = np.ones(pixels.shape[1:], dtype=bool)
        flags = self._dataset.mask_flag_enums[bands[0] - 1]
        if self._marked_alpha is not None:
            if self._alpha_band is not None and self._alpha_band not in bands:
                valid &= self._dataset.read(self._alpha_band, window=where) > 0
        elif MaskFlags.per_dataset in flags:
            valid &= self._dataset.read_masks(1, window=where) > 0
        elif not flags:
            # Each band has a mask of its own.
            valid &= (self._dataset.read_masks(list(bands), window=where) > 0).any(axis=0)
        nodata = [_value_of_type(self._nodata_of(band), pixels.dtype) for band in bands]
        if all(value is not None for value in nodata):
            has_data = np.zeros(pixels.shape[1:], dtype=bool)
            for values, fill in zip(pixels, nodata, strict=True):
                has_data |= values != fill
            valid &= has_data
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(pixels).all(axis=0)
        return valid

    def _stored(self, window: Window) -> Window:
        """Return the window in the file of a picture that was stored turned."""
        if self._turn is None:
            return window
        rows_backwards, cols_backwards, is_swapped = self._turn
        row, col, height, width = window.row_off, window.col_off, window.height, window.width
        if is_swapped:
            row, col, height, width = col, row, width, height
        return Window(
            col_off=self._dataset.width - col - width if cols_backwards else col,
            row_off=self._dataset.height - row - height if rows_backwards else row,
            width=width,
            height=height,
        )

    def _turned(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._turn is None:
            return pixels
        rows_backwards, cols_backwards, is_swapped = self._turn
        pixels = pixels[..., :: -1 if rows_backwards else 1, :: -1 if cols_backwards else 1]
        return np.ascontiguousarray(np.swapaxes(pixels, -1, -2) if is_swapped else pixels)


def open_scene(
    path: str | Path, *, expand_palette: bool = False, driver: str | None = None, nodata: float | None = None
) -> Scene:
    """Open a raster or a plain image.

    Args:
        path: A file, a folder that is a raster (Zarr), the URL of one (https, s3), or a name of GDAL's (/vsicurl/...).
        expand_palette: Read a palette as red, green, blue.
        driver: The only format that the file may have, by GDAL's name, for files of strangers: a .tif may be XML that
            names other files.
        nodata: A value that means "no data", in place of those that the file declares.

    Returns:
        The scene, a context manager.

    Raises:
        DataError: When it does not exist, is no raster, or its place on the ground makes no sense.
        AccessError: When its server does not give it.
        UsageError: For a nodata value that its type cannot hold.
    """
    return Scene(path, expand_palette=expand_palette, driver=driver, nodata=nodata)


def read_image(path: str | Path, *, expand_palette: bool = True) -> tuple[Pixels, Valid]:
    """Read a whole image.

    Args:
        path: The image; see `open_scene`.
        expand_palette: Read a palette as red, green, blue.

    Returns:
        Pixels (bands, height, width) without the alpha band, and where they hold data (height, width).
    """
    with open_scene(path, expand_palette=expand_palette) as scene:
        return scene.read()


def _grid_of(dataset: Any, path: str, turn: tuple[bool, bool, bool] | None) -> Grid:
    with without_place_warnings():
        transform: Affine = dataset.transform
        try:
            gcps, gcps_crs = dataset.gcps
            crs = dataset.crs
            names = [None if not found else found.to_string() for found in (crs, gcps_crs)]
        except CRSError as error:
            raise DataError(f"{path} has a coordinate reference system that cannot be read ({error}).") from error
    is_flat = not transform.a * transform.e - transform.b * transform.d
    if is_flat or not all(math.isfinite(value) for value in transform[:6]):
        raise DataError(
            f"{path} has a transform that makes no sense, {tuple(transform)[:6]}; write its georeference again "
            "(gdal_edit.py -unsetgt takes it away)."
        )
    height, width = dataset.height, dataset.width
    if turn == _FROM_THE_SOUTH and not transform.is_identity:
        # Read from the north down, it is where it was.
        transform = Affine(transform.a, 0, transform.c, 0, -transform.e, transform.f + transform.e * height)
    is_swapped = turn is not None and turn[2]
    return Grid(
        height=width if is_swapped else height,
        width=height if is_swapped else width,
        transform=transform,
        crs=names[0],
        gcps=tuple(gcps),
        gcps_crs=names[1],
        rpcs=dataset.rpcs,
    )


def _turn_of(dataset: Any, path: str) -> tuple[bool, bool, bool] | None:
    """Tell how the rows and columns are stored: a camera's picture turned, a raster on the ground from the south up."""
    with without_place_warnings():
        transform, crs, (gcps, _) = dataset.transform, dataset.crs, dataset.gcps
    if crs is not None and transform.e > 0 and transform.b == transform.d == 0 and not transform.is_identity:
        return _FROM_THE_SOUTH
    if crs is not None or not transform.is_identity or gcps:
        return None
    orientation = dataset.tags().get("EXIF_Orientation", "").strip()
    if not orientation and dataset.driver == "GTiff" and Path(path).is_file():
        orientation = _tiff_orientation(Path(path))
    return _TURNS.get(orientation)


def _tiff_orientation(path: Path) -> str:
    """Read the tag of a TIFF that GDAL leaves out."""
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        is_big = head[2:4] in (b"+\0", b"\0+")
        offset_at, offset_code, count_code, size = (8, "Q", "Q", 20) if is_big else (4, "I", "H", 12)
        try:
            file.seek(struct.unpack_from(order + offset_code, head, offset_at)[0])
            (count,) = struct.unpack(order + count_code, file.read(struct.calcsize(count_code)))
            for _ in range(min(count, _MOST_TAGS)):
                entry = file.read(size)
                if struct.unpack_from(order + "H", entry)[0] == _ORIENTATION:
                    return str(struct.unpack_from(order + "H", entry, size - struct.calcsize(offset_code))[0])
        except (struct.error, OSError):
            pass
    return ""


def _palette_of(colors: dict[int, tuple[int, int, int, int]] | None) -> npt.NDArray[np.uint8] | None:
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

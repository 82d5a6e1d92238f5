"""Predicting a scene at the resolution that the model knows: resampled before the network, brought back after it.

Fewer pixels are means over the ground that each covers, as a coarser sensor sees it; more are interpolated linearly. A
pixel depends on nothing but those below it, whatever the window that it is computed in: no seams.

The scene streams by in the model's pixels; finished rows of probabilities are interpolated onto the scene's own grid,
before classes are decided. The scene is read once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from scipy.ndimage import binary_dilation

from overland.inference.ensemble import PixelClassifier
from overland.inference.plan import Plan
from overland.inference.predictor import BLOCK_ROWS, WriteProbabilities, predict_scene
from overland.inference.probabilities import Pixels, Probabilities, Valid
from overland.inference.region import Region, rows_left
from overland.inference.threads import Watchdog
from overland.progress import Advance
from overland.raster import Grid, Scene, Window

__all__ = [
    "AxisResampling",
    "KeptValid",
    "ResampledScene",
    "Resampling",
    "predict_resampled",
    "resample",
    "resampling_bytes",
]


Values = npt.NDArray[np.float32]

_FULL_COVER = 0.99999


@dataclass(frozen=True)
class AxisResampling:
    """One axis of old pixels that becomes one of new pixels over the same ground.

    Borders are counted in whole units of 1 / (length * size), so that nothing depends on rounding.

    Attributes:
        length: Number of old pixels.
        size: Number of new pixels.
    """

    length: int
    size: int

    @property
    def reversed(self) -> AxisResampling:
        """The way back."""
        return AxisResampling(self.size, self.length)

    def covering(self, first: int, end: int) -> tuple[int, int]:
        """Find the new pixels that a range of old ones touches.

        Args:
            first: First old pixel.
            end: The one after the last.

        Returns:
            First new pixel and end.
        """
        return first * self.size // self.length, min(self.size, -(-end * self.size // self.length))

    def needed(self, first: int, end: int) -> tuple[int, int]:
        """Find the old pixels that a range of new ones is made of.

        Args:
            first: First new pixel.
            end: The one after the last.

        Returns:
            First old pixel and end.
        """
        if self.length >= self.size:
            return first * self.length // self.size, -(-end * self.length // self.size)
        low, _ = divmod((2 * first + 1) * self.length - self.size, 2 * self.size)
        high, _ = divmod((2 * end - 1) * self.length - self.size, 2 * self.size)
        return max(0, low), min(self.length, high + 2)

    def taps(self, first: int, end: int) -> tuple[npt.NDArray[np.intp], Values]:
        """Compute the old pixels and their weights of a range of new ones.

        Args:
            first: First new pixel.
            end: The one after the last.

        Returns:
            Numbers of old pixels and their weights, both (taps, new pixels); the weights of a pixel add up to 1.
        """
        new = np.arange(first, end)
        if self.length >= self.size:
            low = new * self.length // self.size
            old = low + np.arange(-(-self.length // self.size) + 1)[:, None]
            shared = np.minimum((old + 1) * self.size, (new + 1) * self.length)
            shared -= np.maximum(old * self.size, new * self.length)
            weights = np.maximum(shared, 0) / self.length
        else:
            low, beyond = np.divmod((2 * new + 1) * self.length - self.size, 2 * self.size)
            old = np.stack([low, low + 1])
            weights = np.stack([1 - beyond / (2 * self.size), beyond / (2 * self.size)])
        return np.clip(old, 0, self.length - 1), weights.astype(np.float32)


@dataclass(frozen=True)
class Resampling:
    """Both axes of a raster.

    Attributes:
        rows: The axis from top to bottom.
        cols: The axis from left to right.
    """

    rows: AxisResampling
    cols: AxisResampling

    @property
    def reversed(self) -> Resampling:
        """The way back."""
        return Resampling(self.rows.reversed, self.cols.reversed)

    @property
    def bounds(self) -> Window:
        """The window of the whole new raster."""
        return Window(col_off=0, row_off=0, width=self.cols.size, height=self.rows.size)

    def covering(self, window: Window) -> Window:
        """Find the new pixels that a window of old ones touches.

        Args:
            window: The window, in old pixels.

        Returns:
            The window in new pixels.
        """
        return _window(self.rows.covering(window.row_off, window.row_end), self.cols.covering(*_cols(window)))

    def needed(self, window: Window) -> Window:
        """Find the old pixels that a window of new ones is made of.

        Args:
            window: The window, in new pixels.

        Returns:
            The window in old pixels.
        """
        return _window(self.rows.needed(window.row_off, window.row_end), self.cols.needed(*_cols(window)))


def resample(
    resampling: Resampling, window: Window, values: npt.NDArray[Any], valid: Valid, seen: Window
) -> tuple[Values, Valid]:
    """Make a window of new pixels from old ones.

    Where some of the old pixels hold no data the others count more.

    Args:
        resampling: Both axes.
        window: The window, in new pixels.
        values: Old pixels (bands, rows, cols) of the window `seen`.
        valid: Which of them hold data (rows, cols).
        seen: A window of old pixels that holds `resampling.needed(window)`.

    Returns:
        New pixels (bands, height, width), and which of them have data below them (height, width).
    """
    rows, row_weights = resampling.rows.taps(window.row_off, window.row_end)
    cols, col_weights = resampling.cols.taps(*_cols(window))
    # A tap beyond what is needed has no weight.
    rows = np.clip(rows - seen.row_off, 0, seen.height - 1)
    cols = np.clip(cols - seen.col_off, 0, seen.width - 1)

    def interpolated(array: Values) -> Values:
        return _taken(_taken(array, -2, rows, row_weights[:, :, None]), -1, cols, col_weights)

    if valid.all():
        return interpolated(values.astype(np.float32)), np.ones((window.height, window.width), bool)
    total = interpolated(np.where(valid, values, 0).astype(np.float32))
    cover = interpolated(valid.astype(np.float32))
    # Where all is covered nothing is divided: such a pixel is the same whether or not its neighbours are.
    np.divide(total, cover, out=total, where=(cover > 0) & (cover < _FULL_COVER))
    return total, cover > 0


def _taken(array: Values, axis: int, indices: npt.NDArray[np.intp], weights: Values) -> Values:
    total: Values = np.take(array, indices[0], axis) * weights[0]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        part = np.take(array, index, axis)
        part *= weight
        total += part
    return total


def _window(rows: tuple[int, int], cols: tuple[int, int]) -> Window:
    return Window(col_off=cols[0], row_off=rows[0], width=cols[1] - cols[0], height=rows[1] - rows[0])


def _cols(window: Window) -> tuple[int, int]:
    return window.col_off, window.col_end


# At most so many rows, old or new, are resampled at a time; in floats they take four times what they do as bytes.
_ROWS = 512


@dataclass(frozen=True)
class ResampledScene:
    """An open scene with the same ground in other pixels; of the type that the file has, rounded.

    Attributes:
        scene: The scene.
        resampling: Both axes.
        on_read: Called with which pixels of the scene itself hold data, as it is read: their window, and (height,
            width).
    """

    scene: Scene
    resampling: Resampling
    on_read: Callable[[Window, Valid], None] | None = None

    @property
    def grid(self) -> Grid:
        """The grid of the new pixels."""
        old, new = self.scene.grid, self.resampling.bounds
        a, b, c, d, e, f = old.transform[:6]
        across, down = old.width / new.width, old.height / new.height
        return Grid(
            height=new.height,
            width=new.width,
            transform=Affine(a * across, b * down, c, d * across, e * down, f),
            crs=old.crs,
        )

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the new pixels that the file's blocks make about."""
        (height, width), axes = self.scene.block_shape, self.resampling
        rows, cols = axes.rows, axes.cols
        return max(1, height * rows.size // rows.length), max(1, width * cols.size // cols.length)

    def read(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        """Read a window of new pixels.

        Args:
            window: The window, in new pixels.
            bands: Bands, counted from 1.

        Returns:
            New pixels (bands, height, width), and which of them have data below them (height, width).
        """
        rows = self.resampling.rows
        step = max(1, min(_ROWS, _ROWS * rows.size // rows.length))
        starts = [window.row_off, *range((window.row_off // step + 1) * step, window.row_end, step)]
        parts = [
            self._read_part(
                Window(col_off=window.col_off, row_off=first, width=window.width, height=end - first), bands
            )
            for first, end in zip(starts, [*starts[1:], window.row_end], strict=True)
        ]
        pixels, valid = zip(*parts, strict=True)
        return np.concatenate(pixels, axis=1), np.concatenate(valid)

    def _read_part(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        seen = self.resampling.needed(window)
        pixels, valid = self.scene.read(seen, bands)
        if self.on_read is not None:
            self.on_read(seen, valid)
        values, covered = resample(self.resampling, window, pixels, valid, seen)
        if pixels.dtype.kind in "ui":
            np.rint(values, out=values)
        return values.astype(pixels.dtype), covered


class KeptValid:
    """Notes which pixels of a part of a scene hold data, a bit each, until their rows are written."""

    def __init__(self, part: Window) -> None:
        self._part = part
        self._rows: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def keep(self, window: Window, valid: Valid) -> None:
        """Take note of rows that were read.

        Args:
            window: Their window in the scene; it spans the part's columns.
            valid: Which pixels hold data (height, width).
        """
        first = self._part.col_off - window.col_off
        packed = np.packbits(valid[:, first : first + self._part.width], axis=1)
        with self._lock:
            self._rows.update(zip(range(window.row_off, window.row_end), packed, strict=True))

    def take(self, first: int, end: int) -> Valid:
        """Take rows that are written now; they and those above are forgotten.

        Args:
            first: First row in the scene.
            end: The row after the last.

        Returns:
            Which pixels hold data (rows, width of the part).
        """
        with self._lock:
            packed = np.stack([self._rows[row] for row in range(first, end)])
            for row in [row for row in self._rows if row < end]:
                del self._rows[row]
        return np.unpackbits(packed, axis=1, count=self._part.width).astype(bool)


def predict_resampled(
    classifier: PixelClassifier,
    scene: Scene,
    bands: Sequence[int],
    plan: Plan,
    write: WriteProbabilities,
    *,
    resampling: Resampling,
    advance: Advance | None = None,
    region: Region | None = None,
    first_row: int = 0,
    workers: int | None = None,
    watchdog: Watchdog | None = None,
) -> None:
    """Predict a scene in other pixels, and write rows of the scene's own grid as `predict_scene` does.

    A probability lies between those of the model's pixels around it, or is their mean where the scene's are larger. A
    pixel of a region gets the very probabilities that a run over the whole scene gives it.

    Args:
        classifier: Gives the probabilities of a window.
        scene: The scene.
        bands: Bands to read, counted from 1.
        plan: The windows of the raster that `resampling` makes of the scene.
        write: Gets the finished rows in blocks of 512.
        resampling: From the scene's pixels to the model's.
        advance: Called with the megapixels of the scene that are done.
        region: The part of the scene to predict; all of it by default.
        first_row: Rows of the region above this one are finished already; a multiple of 512.
        workers: Number of windows that are computed at once; by default as many as the classifier wants.
        watchdog: Ends the run when nothing is finished for long.
    """
    written = scene.grid.window if region is None else region.window
    left = rows_left(written, first_row)
    if not left.height:
        return
    kept = KeptValid(left)
    returned = _ReturnedRows(resampling.reversed, left)
    window = resampling.reversed.needed(left)

    def on_rows(rows: Window, probabilities: Probabilities, wanted: Valid) -> None:
        for where, block in returned.add(rows.shifted(window.row_off, window.col_off), probabilities, wanted):
            valid = kept.take(where.row_off, where.row_end)
            inside = None if region is None else region.inside(where)
            valid = valid if inside is None else valid & inside
            write(where.shifted(-written.row_off, -written.col_off), block, valid)

    # The model sees a margin around the part, which is not counted.
    fraction = left.height * left.width / (window.height * window.width)
    predict_scene(
        classifier,
        ResampledScene(scene, resampling, kept.keep),
        bands,
        plan,
        on_rows,
        advance=None if advance is None else lambda amount: advance(amount * fraction),
        region=_ResampledRegion(window, resampling, region),
        workers=workers,
        watchdog=watchdog,
    )


def resampling_bytes(resampling: Resampling, width: int, bands: int, pixel_bytes: int, num_outputs: int) -> int:
    """Estimate the memory that resampling takes next to the rows of the model's pixels.

    Args:
        resampling: From the scene's pixels to the model's.
        width: Width of the part in pixels of the scene.
        bands: Number of bands read.
        pixel_bytes: Bytes of a stored pixel over all bands.
        num_outputs: Number of probabilities for each pixel.

    Returns:
        Bytes.
    """
    scale = resampling.cols.size / resampling.cols.length
    # Pixels as stored; and in floats, resampled along their columns, then along their rows.
    read = pixel_bytes + 1 + 8 * bands * (1 + scale)
    # Probabilities and their cover, as they come and in both passes; and rows that wait, joined to those that come.
    returned = (num_outputs + 1) * (4 * scale**2 + 8 * scale + 8)
    waiting = 8 * num_outputs * scale**2
    return round(BLOCK_ROWS * width * (read + returned + waiting))


@dataclass(frozen=True)
class _ResampledRegion:
    """The model's pixels that a part of a scene needs; a pixel more than those that touch it, for interpolation."""

    window: Window
    resampling: Resampling
    region: Region | None

    def inside(self, window: Window) -> Valid | None:
        if self.region is None:
            return None
        around = window.padded(1).intersection(self.resampling.bounds)
        seen = self.resampling.needed(around)
        inside = self.region.inside(seen)
        if inside is None:
            return None
        _, touched = resample(self.resampling, around, np.zeros((1, *inside.shape), np.uint8), inside, seen)
        rows, cols = window.row_off - around.row_off, window.col_off - around.col_off
        grown = binary_dilation(touched, np.ones((3, 3), bool))
        return np.asarray(grown[rows : rows + window.height, cols : cols + window.width])


class _ReturnedRows:
    """Takes rows of probabilities in the model's pixels from the top, and gives blocks of rows in the scene's."""

    def __init__(self, resampling: Resampling, window: Window) -> None:
        self._resampling, self._window, self._row = resampling, window, window.row_off
        self._held: tuple[Window, Probabilities, Valid] | None = None

    def add(
        self, window: Window, probabilities: Probabilities, wanted: Valid
    ) -> Iterator[tuple[Window, Probabilities]]:
        """Hold rows in the model's pixels; give the blocks that they complete, with their windows in the scene."""
        if self._held is not None:
            seen, held, known = self._held
            first = self._resampling.needed(self._block()).row_off
            rows = slice(first - seen.row_off, None)
            probabilities = np.concatenate([held[:, rows], probabilities], axis=1)
            wanted = np.concatenate([known[rows], wanted])
            window = Window(col_off=seen.col_off, row_off=first, width=seen.width, height=window.row_end - first)
        self._held = window, probabilities, wanted
        while self._row < self._window.row_end:
            block = self._block()
            needed = self._resampling.needed(block)
            if needed.row_end > window.row_end:
                return
            rows = slice(needed.row_off - window.row_off, needed.row_end - window.row_off)
            cut = Window(col_off=window.col_off, row_off=needed.row_off, width=window.width, height=needed.height)
            yield block, resample(self._resampling, block, probabilities[:, rows], wanted[rows], cut)[0]
            self._row = block.row_end

    def _block(self) -> Window:
        end = min(self._row + BLOCK_ROWS, self._window.row_end)
        return Window(col_off=self._window.col_off, row_off=self._row, width=self._window.width, height=end - self._row)

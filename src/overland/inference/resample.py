"""Predicting a scene at the resolution that the model knows: resampled before the network, brought back behind it.

What streams through is the scene in the model's pixels; finished rows of scores are interpolated onto the scene's own
grid, before classes are decided. The scene is read once.
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

from overland.inference.plan import Plan
from overland.inference.predictor import WriteProbabilities, predict_scene
from overland.inference.probabilities import PixelClassifier, Scores
from overland.inference.region import Region, Target
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


# Resampling: the same ground in pixels of another size. Pure; no scene, no model.
#
# Fewer pixels are means over the ground that each covers, as a coarser sensor sees it; more are interpolated linearly.
# A pixel depends on nothing but those below it, whatever the window that it is computed in: no seams.

Values = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]

_FULL_COVER = 0.99999


@dataclass(frozen=True)
class AxisResampling:
    """One axis of `length` pixels that becomes one of `size` pixels over the same ground.

    Borders are counted in whole units of 1 / (length * size), so that nothing depends on rounding.
    """

    length: int
    size: int

    @property
    def reversed(self) -> AxisResampling:
        """The way back."""
        return AxisResampling(self.size, self.length)

    def covering(self, first: int, end: int) -> tuple[int, int]:
        """First pixel and end of those that a range of the old ones touches."""
        return first * self.size // self.length, min(self.size, -(-end * self.size // self.length))

    def needed(self, first: int, end: int) -> tuple[int, int]:
        """First old pixel and end of those that a range of the new ones is made of."""
        if self.length >= self.size:
            return first * self.length // self.size, -(-end * self.length // self.size)
        low, _ = divmod((2 * first + 1) * self.length - self.size, 2 * self.size)
        high, _ = divmod((2 * end - 1) * self.length - self.size, 2 * self.size)
        return max(0, low), min(self.length, high + 2)

    def taps(self, first: int, end: int) -> tuple[npt.NDArray[np.intp], Values]:
        """Old pixels and their weights (both taps x new pixels) of a range of the new ones; weights add up to 1."""
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
    """Both axes of a raster."""

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
        """The new pixels that a window of the old ones touches."""
        return _window(self.rows.covering(window.row_off, window.row_end), self.cols.covering(*_cols(window)))

    def needed(self, window: Window) -> Window:
        """The old pixels that a window of the new ones is made of."""
        return _window(self.rows.needed(window.row_off, window.row_end), self.cols.needed(*_cols(window)))


def resample(
    resampling: Resampling, window: Window, values: npt.NDArray[Any], valid: Valid, seen: Window
) -> tuple[Values, Valid]:
    """Make a window of new pixels from old ones.

    `values` (bands, rows, cols) and `valid` (rows, cols) are the old pixels of the window `seen`, which holds
    `resampling.needed(window)`. Where some of the old pixels hold no data the others count more. Returns float32
    (bands, height, width), and which pixels have data below them (height, width).
    """
    rows, row_weights = resampling.rows.taps(window.row_off, window.row_end)
    cols, col_weights = resampling.cols.taps(*_cols(window))
    # A tap beyond what is needed has no weight.
    rows = np.clip(rows - seen.row_off, 0, seen.height - 1)
    cols = np.clip(cols - seen.col_off, 0, seen.width - 1)

    def made(array: Values) -> Values:
        return _taken(_taken(array, -2, rows, row_weights[:, :, None]), -1, cols, col_weights)

    if valid.all():
        return made(values.astype(np.float32)), np.ones((window.height, window.width), bool)
    total = made(np.where(valid, values, 0).astype(np.float32))
    cover = made(valid.astype(np.float32))
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


# A scene as if its pixels were of another size, read and resampled as it streams by.

Pixels = npt.NDArray[Any]

# At most so many rows, old or new, are resampled at a time; in floats they take four times what they do as bytes.
_ROWS = 512


@dataclass(frozen=True)
class ResampledScene:
    """An open scene with the same ground in other pixels; of the type that the file has, rounded.

    `on_read` is told which pixels of the scene itself hold data, as it is read: their window, and (height, width).
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
        return Grid(new.height, new.width, Affine(a * across, b * down, c, d * across, e * down, f), old.crs)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the new pixels that the file's blocks make about."""
        (height, width), axes = self.scene.block_shape, self.resampling
        rows, cols = axes.rows, axes.cols
        return max(1, height * rows.size // rows.length), max(1, width * cols.size // cols.length)

    def read(self, window: Window, bands: Sequence[int]) -> tuple[Pixels, Valid]:
        """Read new pixels (bands, height, width), and which of them have data below them (height, width)."""
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
    """Which pixels of a part of a scene hold data, a bit each, from when they are read until their rows are written."""

    def __init__(self, part: Window) -> None:
        self._part = part
        self._rows: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()

    def keep(self, window: Window, valid: Valid) -> None:
        """Take note of a window (height, width) that spans the part's columns."""
        first = self._part.col_off - window.col_off
        packed = np.packbits(valid[:, first : first + self._part.width], axis=1)
        with self._lock:
            self._rows.update(zip(range(window.row_off, window.row_end), packed, strict=True))

    def take(self, first: int, end: int) -> Valid:
        """Rows of the scene from a first one up to an end (rows, width); they and those above are forgotten."""
        with self._lock:
            packed = np.stack([self._rows[row] for row in range(first, end)])
            for row in [row for row in self._rows if row < end]:
                del self._rows[row]
        return np.unpackbits(packed, axis=1, count=self._part.width).astype(bool)


# Rows that are brought back at a time, the block height of the files that Overland writes.
_LOT = 512


def predict_resampled(
    scorer: PixelClassifier,
    scene: Scene,
    bands: Sequence[int],
    plan: Plan,
    write: WriteProbabilities,
    *,
    resampling: Resampling,
    advance: Advance | None = None,
    region: Region | None = None,
    first_row: int = 0,
) -> None:
    """Predict a scene in other pixels, and give `write` what `predict_scene` gives it: rows of the scene's own grid.

    `plan` is that of the raster that `resampling` makes of the scene. A score lies between those of the model's pixels
    around it, or is their mean where the scene's are larger. Rows leave in lots of 512, and a pixel of a region gets
    the very scores that a run over the whole scene gives it. `first_row` is a multiple of 512.
    """
    target = Target(scene.grid.window if region is None else region.window, first_row)
    if not target.left.height:
        return
    kept = KeptValid(target.left)
    back = _Return(resampling.reversed, target)
    window = resampling.reversed.needed(target.left)

    def on_rows(rows: Window, scores: Scores, wanted: Valid) -> None:
        for where, lot in back.add(rows.shifted(window.row_off, window.col_off), scores, wanted):
            valid = kept.take(where.row_off, where.row_end)
            inside = None if region is None else region.inside(where)
            valid = valid if inside is None else valid & inside
            write(where.shifted(-target.window.row_off, -target.window.col_off), lot, valid)

    predict_scene(
        scorer,
        ResampledScene(scene, resampling, kept.keep),
        bands,
        plan,
        on_rows,
        advance=None if advance is None else _in_scene_pixels(advance, window, target.left),
        region=_ResampledRegion(window, resampling, region),
    )


def resampling_bytes(resampling: Resampling, width: int, bands: int, pixel_bytes: int, num_scores: int) -> int:
    """Estimate what resampling holds beside the rows of the model's pixels; `width` is in pixels of the scene."""
    scale = resampling.cols.size / resampling.cols.length
    # Pixels as stored; and in floats, resampled along their columns, then along their rows.
    read = pixel_bytes + 1 + 8 * bands * (1 + scale)
    # Scores and their cover, as they come and in both passes; and rows of scores that wait, joined to those that come.
    returned = (num_scores + 1) * (4 * scale**2 + 8 * scale + 8)
    waiting = 8 * num_scores * scale**2
    return round(_LOT * width * (read + returned + waiting))


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


class _Return:
    """Takes rows of scores in the model's pixels from the top, and gives lots of rows in the scene's."""

    def __init__(self, resampling: Resampling, target: Target) -> None:
        self._resampling, self._window, self._row = resampling, target.window, target.left.row_off
        self._held: tuple[Window, Scores, Valid] | None = None

    def add(self, window: Window, scores: Scores, wanted: Valid) -> Iterator[tuple[Window, Scores]]:
        """Hold rows in the model's pixels; gives the lots that they complete, with their windows in the scene."""
        self._hold(window, scores, wanted)
        while self._row < self._window.row_end:
            lot = self._lot()
            needed, (seen, held, known) = self._resampling.needed(lot), self._held  # type: ignore[misc] # held just now
            if needed.row_end > seen.row_end:
                return
            rows = slice(needed.row_off - seen.row_off, needed.row_end - seen.row_off)
            cut = Window(col_off=seen.col_off, row_off=needed.row_off, width=seen.width, height=needed.height)
            yield lot, resample(self._resampling, lot, held[:, rows], known[rows], cut)[0]
            self._row = lot.row_end

    def _hold(self, window: Window, scores: Scores, wanted: Valid) -> None:
        if self._held is not None:
            seen, held, known = self._held
            first = self._resampling.needed(self._lot()).row_off
            rows = slice(first - seen.row_off, None)
            scores = np.concatenate([held[:, rows], scores], axis=1)
            wanted = np.concatenate([known[rows], wanted])
            window = Window(col_off=seen.col_off, row_off=first, width=seen.width, height=window.row_end - first)
        self._held = window, scores, wanted

    def _lot(self) -> Window:
        end = min(self._row + _LOT, self._window.row_end)
        return Window(col_off=self._window.col_off, row_off=self._row, width=self._window.width, height=end - self._row)


def _in_scene_pixels(advance: Advance, window: Window, left: Window) -> Advance:
    share = left.height * left.width / (window.height * window.width)
    return lambda amount: advance(amount * share)

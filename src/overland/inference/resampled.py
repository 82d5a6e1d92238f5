"""Predicting a scene at the resolution that the model knows: resampled before the network, brought back behind it.

What streams through is the scene in the model's pixels; finished rows of scores are interpolated onto the scene's own
grid, before classes are decided. The scene is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from overland.inference.plan import Plan
from overland.inference.predictor import WriteScores, predict_scene
from overland.inference.region import Region, Target
from overland.inference.resample import Resampling, resample
from overland.inference.resampled_scene import KeptValid, ResampledScene
from overland.inference.scorers import Scorer, Scores, Valid
from overland.progress import Advance
from overland.raster import Scene, Window

__all__ = ["predict_resampled", "resampling_bytes"]

# Rows that are brought back at a time, the block height of the files that Overland writes.
_LOT = 512


def predict_resampled(
    scorer: Scorer,
    scene: Scene,
    bands: Sequence[int],
    plan: Plan,
    write: WriteScores,
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
            cut = Window(needed.row_off, seen.col_off, needed.height, seen.width)
            yield lot, resample(self._resampling, lot, held[:, rows], known[rows], cut)[0]
            self._row = lot.row_end

    def _hold(self, window: Window, scores: Scores, wanted: Valid) -> None:
        if self._held is not None:
            seen, held, known = self._held
            first = self._resampling.needed(self._lot()).row_off
            rows = slice(first - seen.row_off, None)
            scores = np.concatenate([held[:, rows], scores], axis=1)
            wanted = np.concatenate([known[rows], wanted])
            window = Window(first, seen.col_off, window.row_end - first, seen.width)
        self._held = window, scores, wanted

    def _lot(self) -> Window:
        end = min(self._row + _LOT, self._window.row_end)
        return Window(self._row, self._window.col_off, end - self._row, self._window.width)


def _in_scene_pixels(advance: Advance, window: Window, left: Window) -> Advance:
    share = left.height * left.width / (window.height * window.width)
    return lambda amount: advance(amount * share)

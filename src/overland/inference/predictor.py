"""The streaming predictor: pieces of a scene in, windows through the model, blended scores out; a few rows in memory.

One thread reads ahead, as many as the scorer wants compute windows without a pause from row to row of them, the
caller's adds their scores in the order of the plan, whatever order they come in, and one writes behind. Hence the same
bytes in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

from overland.inference.blend import Blend
from overland.inference.plan import Plan
from overland.inference.probabilities import PixelClassifier, Pixels, Scores, Valid
from overland.inference.region import Region, Target
from overland.inference.stream import RowBuffer, Source, blocks_of_stride, cut_chip, iter_row_buffers, iter_scene_blocks
from overland.inference.threads import map_in_threads, prefetch, worker_threads, write_in_background
from overland.progress import Advance
from overland.raster import Window

__all__ = ["WriteProbabilities", "predict_array", "predict_scene"]

WriteProbabilities = Callable[[Window, Scores, Valid], None]
"""Takes finished rows: their window, the scores (scores, rows, width), and where they are wanted (rows, width)."""

# Finished rows leave in lots of this many, the block height of the files that Overland writes.
_LOT = 512


@dataclass(frozen=True)
class _Job:
    """A window and the strip that it is cut out of. It is empty when no pixel on which it has weight is wanted."""

    row: int
    col: int
    strip: RowBuffer
    is_empty: bool


def predict_array(
    scorer: PixelClassifier, pixels: Pixels, valid: Valid, plan: Plan, *, at_once: int | None = None
) -> Scores:
    """Predict an image that is in memory: pixels (bands, height, width) as stored, scores (scores, height, width).

    The same windows and blending as for a scene. Where `valid` (height, width) is false a score has no meaning.
    `at_once` windows are computed at the same time, by default as many as the scorer has streams; 1 computes them in
    the caller's own thread, for who predicts several images at once.
    """
    scores = np.zeros((scorer.num_scores, *valid.shape), np.float32)
    target = Target(Window(col_off=0, row_off=0, width=valid.shape[1], height=valid.shape[0]))
    at_once = min(at_once or scorer.streams, plan.windows)
    with worker_threads(at_once) if at_once > 1 else nullcontext() as threads:
        scored = _iter_scored(scorer, plan, target.left, [RowBuffer(0, 0, pixels, valid, valid)], threads, at_once)
        for window, lot, _ in _iter_lots(plan, target, scored, scorer.num_scores):
            scores[:, window.row_off : window.row_end] = lot
    return scores


def predict_scene(
    scorer: PixelClassifier,
    scene: Source,
    bands: Sequence[int],
    plan: Plan,
    write: WriteProbabilities,
    *,
    advance: Advance | None = None,
    region: Region | None = None,
    first_row: int = 0,
) -> None:
    """Predict a scene as it streams by: `write` gets the finished rows from top to bottom, each once.

    `plan` is that of the whole scene, so that a pixel of a region gets the very scores that a run over the whole scene
    gives it; windows without a pixel that is wanted and holds data are not computed. Windows are written in pixels of
    the region, at its full width, in lots that end at multiples of 512 of its rows; rows above `first_row` of it are
    finished already. `write` is called in a thread of its own, `advance` in the caller's, with the megapixels done. An
    error in any of them, in reading or in the model stops all threads and is raised. Memory is bounded by the region's
    width times a window's height; `planned_memory_mb` estimates it.
    """
    target = Target(scene.grid.window if region is None else region.window, first_row)
    if not target.left.height:
        return
    pieces = iter_scene_blocks(scene, bands, plan, target.left, region)
    with (
        prefetch(pieces, blocks_of_stride(plan)) as reader,
        worker_threads(scorer.streams) as threads,
        write_in_background() as writer,
    ):

        def on_window(job: _Job) -> None:
            reader.check()
            writer.check()
            if advance is not None:
                advance(_core_megapixels(plan, job, target.left))

        scored = _iter_scored(scorer, plan, target.left, reader, threads, scorer.streams)
        for lot in _iter_lots(plan, target, scored, scorer.num_scores, on_window):
            writer.submit(write, *lot)
            # Else it would be held while the next one is made.
            del lot


def _iter_lots(
    plan: Plan,
    target: Target,
    scored: Iterable[tuple[_Job, Scores | None]],
    num_scores: int,
    on_window: Callable[[_Job], None] = lambda job: None,
) -> Iterator[tuple[Window, Scores, Valid]]:
    window, left = target.window, target.left
    cols = _cols(plan, left)
    blend = Blend(plan, num_scores, left)
    wanted = np.zeros((0, left.width), bool)
    for job, scores in scored:
        if job.col == cols.start:
            blend.open_row(job.row)
        if scores is not None:
            blend.add(scores, job.row, job.col)
            # Else it would be held while the next one is waited for.
            del scores
        on_window(job)
        if job.col < cols.stop - 1:
            continue
        first, lot = blend.take(job.row, _LOT, window.row_off)
        wanted = _with_rows_of(wanted, first, job.strip, left)
        if lot.shape[1]:
            yield (
                Window(col_off=0, row_off=first - window.row_off, width=left.width, height=lot.shape[1]),
                lot,
                wanted[: lot.shape[1]],
            )
            wanted = wanted[lot.shape[1] :]


def _iter_scored(
    scorer: PixelClassifier,
    plan: Plan,
    left: Window,
    pieces: Iterable[RowBuffer],
    threads: ThreadPoolExecutor | None,
    at_once: int,
) -> Iterator[tuple[_Job, Scores | None]]:
    jobs = _iter_jobs(plan, left, pieces)
    if threads is None:
        return ((job, _score_window(scorer, plan, job)) for job in jobs)
    # The windows of one row, so that no more than two strips are in use; those of a narrow scene would be too few.
    queued = max(len(_cols(plan, left)), at_once + 1)
    score = partial(_score_window, scorer, plan)
    return map_in_threads(score, jobs, threads, busy=at_once, queued=queued, is_light=lambda job: job.is_empty)


def _score_window(scorer: PixelClassifier, plan: Plan, job: _Job) -> Scores | None:
    return None if job.is_empty else scorer.score(*cut_chip(job.strip, plan, job.row, job.col))


def _iter_jobs(plan: Plan, left: Window, pieces: Iterable[RowBuffer]) -> Iterator[_Job]:
    rows = plan.rows.touching(left.row_off, left.row_end)
    for row, strip in zip(rows, iter_row_buffers(pieces, plan.rows, rows), strict=True):
        for col in _cols(plan, left):
            yield _Job(row, col, strip, _is_empty(plan, left, strip, row, col))


def _is_empty(plan: Plan, left: Window, strip: RowBuffer, row: int, col: int) -> bool:
    (first, end), (first_col, end_col) = plan.rows.span(row), plan.cols.span(col)
    rows = slice(max(first, left.row_off) - strip.row_off, min(end, left.row_end) - strip.row_off)
    cols = slice(max(first_col, left.col_off) - left.col_off, min(end_col, left.col_end) - left.col_off)
    return not strip.wanted[rows, cols].any()


def _with_rows_of(held: Valid, row_off: int, strip: RowBuffer, left: Window) -> Valid:
    # Strips overlap: the rows that are held already are the same ones.
    held_end = row_off + len(held)
    return np.concatenate([held, strip.wanted[held_end - strip.row_off : left.row_end - strip.row_off]])


def _cols(plan: Plan, window: Window) -> range:
    return plan.cols.touching(window.col_off, window.col_end)


def _core_megapixels(plan: Plan, job: _Job, left: Window) -> float:
    (first, end), (first_col, end_col) = plan.rows.core(job.row), plan.cols.core(job.col)
    core = Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first).intersection(left)
    return core.height * core.width / 1e6

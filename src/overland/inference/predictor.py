"""The streaming predictor: a scene's rows in, windows through the model, blended rows of probabilities out.

One thread prefetches rows, as many as the classifier wants compute windows without a pause from row to row of them, the
caller's adds their probabilities in the order of the plan, whatever order they come in, and one writes in the
background. Hence the same bytes in every run, on any number of threads. A few rows are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from overland.geo.grid import Window
from overland.inference.blend import Blend
from overland.inference.ensemble import PixelClassifier
from overland.inference.plan import Plan
from overland.inference.probabilities import Pixels, Probabilities, Valid
from overland.inference.region import Region, rows_left
from overland.inference.stream import (
    Reader,
    RowBuffer,
    blocks_of_stride,
    cut_chip,
    iter_row_buffers,
    iter_scene_blocks,
)
from overland.inference.threads import (
    Watchdog,
    WorkerThreads,
    map_in_threads,
    prefetch,
    worker_threads,
    write_in_background,
)
from overland.progress import Advance

__all__ = ["BLOCK_ROWS", "WriteProbabilities", "predict_array", "predict_scene"]

WriteProbabilities = Callable[[Window, Probabilities, Valid], None]
"""Takes finished rows: their window, probabilities (outputs, rows, width), and which are wanted (rows, width)."""

BLOCK_ROWS = 512
"""Finished rows leave in blocks of so many, the block height of the files that Overland writes."""


@dataclass(frozen=True)
class _WindowTask:
    """A window and the rows that it is cut out of. It is empty when no pixel on which it has weight is wanted."""

    row: int
    col: int
    buffer: RowBuffer
    is_empty: bool


def predict_array(
    classifier: PixelClassifier, pixels: Pixels, valid: Valid, plan: Plan, *, workers: int | None = None
) -> Probabilities:
    """Predict an image that is in memory, with the same windows and blending as a scene.

    Args:
        classifier: Gives the probabilities of a window.
        pixels: Pixels (bands, height, width) as stored.
        valid: Where they hold data (height, width).
        plan: The windows of the image.
        workers: Number of windows that are computed at once; by default as many as the classifier wants. With 1 they
            are computed in the caller's own thread, for who predicts several images at once.

    Returns:
        Probabilities (outputs, height, width); where there is no data they have no meaning.
    """
    probabilities = np.zeros((classifier.num_outputs, *valid.shape), np.float32)
    whole = Window(col_off=0, row_off=0, width=valid.shape[1], height=valid.shape[0])
    workers = min(workers or classifier.workers, plan.windows)
    with worker_threads(workers) if workers > 1 else nullcontext() as threads:
        tasks = _iter_tasks(plan, whole, [RowBuffer(0, 0, pixels, valid, valid)])
        classified = _iter_classified(classifier, plan, whole, tasks, threads, workers)
        for window, block, _ in _iter_finished_rows(plan, whole, 0, classified, classifier.num_outputs):
            probabilities[:, window.row_off : window.row_end] = block
    return probabilities


def predict_scene(
    classifier: PixelClassifier,
    scene: Reader,
    bands: Sequence[int],
    plan: Plan,
    write: WriteProbabilities,
    *,
    advance: Advance | None = None,
    region: Region | None = None,
    first_row: int = 0,
    workers: int | None = None,
    watchdog: Watchdog | None = None,
) -> None:
    """Predict a scene that is read from top to bottom, a few rows at a time.

    A pixel of a region gets the very probabilities that a run over the whole scene gives it; windows without a pixel
    that is wanted and holds data are not computed. Memory is bounded by the region's width times a window's height;
    `planned_memory_mb` estimates it. An error in reading, in the model or in writing stops all threads and is raised.

    Args:
        classifier: Gives the probabilities of a window.
        scene: The scene.
        bands: Bands to read, counted from 1.
        plan: The windows of the whole scene.
        write: Gets the finished rows from top to bottom, each once, in a thread of its own. Their windows are in pixels
            of the region, at its full width, in blocks that end at multiples of 512 of its rows.
        advance: Called in the caller's thread with the megapixels of each window that is done.
        region: The part of the scene to predict; all of it by default.
        first_row: Rows of the region above this one are finished already.
        workers: Number of windows that are computed at once; by default as many as the classifier wants.
        watchdog: Ends the run when nothing is finished for long.

    Raises:
        StalledError: No window was finished within the watchdog's limit.
    """
    written = scene.grid.window if region is None else region.window
    left = rows_left(written, first_row)
    if not left.height:
        return
    workers = workers or classifier.workers
    watchdog = watchdog or Watchdog()
    with (
        prefetch(
            iter_scene_blocks(scene, bands, plan, left, region), blocks_of_stride(plan), watchdog=watchdog
        ) as blocks,
        worker_threads(workers, watchdog=watchdog) as threads,
        write_in_background(watchdog=watchdog) as writer,
    ):

        def on_window(task: _WindowTask) -> None:
            blocks.check()
            writer.check()
            if advance is not None:
                (first, end), (first_col, end_col) = plan.rows.core(task.row), plan.cols.core(task.col)
                core = Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first)
                done = core.intersection(left)
                advance(done.height * done.width / 1e6)

        tasks = _iter_tasks(plan, left, blocks)
        classified = _iter_classified(classifier, plan, left, tasks, threads, workers)
        for rows in _iter_finished_rows(
            plan, left, written.row_off, classified, classifier.num_outputs, on_window=on_window
        ):
            window = rows[0]
            in_region = Window(
                col_off=0, row_off=window.row_off - written.row_off, width=window.width, height=window.height
            )
            writer.submit(write, in_region, *rows[1:])
            # Else it would be held while the next one is made.
            del rows


def _iter_tasks(plan: Plan, left: Window, blocks: Iterable[RowBuffer]) -> Iterator[_WindowTask]:
    """Give the windows with weight on some rows, in the order of the plan."""
    rows, cols = plan.rows.touching(left.row_off, left.row_end), plan.cols.touching(left.col_off, left.col_end)
    for row, buffer in zip(rows, iter_row_buffers(blocks, plan.rows, rows), strict=True):
        first, end = plan.rows.span(row)
        in_rows = slice(max(first, left.row_off) - buffer.row_off, min(end, left.row_end) - buffer.row_off)
        for col in cols:
            first, end = plan.cols.span(col)
            in_cols = slice(max(first, left.col_off) - left.col_off, min(end, left.col_end) - left.col_off)
            yield _WindowTask(row, col, buffer, not buffer.wanted[in_rows, in_cols].any())


def _iter_classified(
    classifier: PixelClassifier,
    plan: Plan,
    left: Window,
    tasks: Iterable[_WindowTask],
    threads: WorkerThreads | None,
    workers: int,
) -> Iterator[tuple[_WindowTask, Probabilities | None]]:
    """Give each window with its probabilities (outputs, chip rows, chip columns), None for an empty one."""

    def classify(task: _WindowTask) -> Probabilities | None:
        return None if task.is_empty else classifier.classify(*cut_chip(task.buffer, plan, task.row, task.col))

    if threads is None:
        return ((task, classify(task)) for task in tasks)
    # The windows of one row, so that no more than two buffers are in use; those of a narrow scene would be too few.
    queued = max(len(plan.cols.touching(left.col_off, left.col_end)), workers + 1)
    return map_in_threads(classify, tasks, threads, busy=workers, queued=queued, is_light=lambda task: task.is_empty)


def _iter_finished_rows(
    plan: Plan,
    left: Window,
    origin: int,
    classified: Iterable[tuple[_WindowTask, Probabilities | None]],
    num_outputs: int,
    *,
    on_window: Callable[[_WindowTask], None] = lambda task: None,
) -> Iterator[tuple[Window, Probabilities, Valid]]:
    """Blend windows, and give the rows that are finished, in pixels of the scene."""
    cols = plan.cols.touching(left.col_off, left.col_end)
    blend = Blend(plan, num_outputs, left)
    wanted = np.zeros((0, left.width), bool)
    for task, probabilities in classified:
        if task.col == cols.start:
            blend.open_row(task.row)
        if probabilities is not None:
            blend.add(probabilities, task.row, task.col)
            # Else it would be held while the next one is waited for.
            del probabilities
        on_window(task)
        if task.col < cols.stop - 1:
            continue
        first, block = blend.take(task.row, BLOCK_ROWS, origin)
        # Buffers overlap: the rows that are held already are the same ones.
        held_end = first + len(wanted)
        more = task.buffer.wanted[held_end - task.buffer.row_off : left.row_end - task.buffer.row_off]
        wanted = np.concatenate([wanted, more])
        height = block.shape[1]
        if height:
            yield Window(col_off=left.col_off, row_off=first, width=left.width, height=height), block, wanted[:height]
            wanted = wanted[height:]

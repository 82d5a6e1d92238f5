"""The probe: what a prediction will take, from a few of its windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from overland.inference.ahead import worker_threads
from overland.inference.plan import Plan
from overland.inference.region import Region
from overland.inference.scorers import Pixels, Scorer, Valid
from overland.inference.source import Source
from overland.inference.strips import Strip, cut_chip
from overland.raster import Window

__all__ = ["probe_seconds"]


def probe_seconds(
    scorer: Scorer, scene: Source, bands: Sequence[int], plan: Plan, *, region: Region | None = None
) -> float:
    """Estimate the seconds that a scene takes: the median of up to three of its windows, times their number.

    Each window is run as often at once as the run itself runs windows, because streams slow each other down. The first
    one is run once more before the clock starts, because an engine sets itself up in its first run. Windows that turn
    out to hold no data are counted as if they did: the estimate is an upper one.
    """
    part = scene.grid.window if region is None else region.window
    windows = list(
        product(
            plan.rows.touching(part.row_off, part.row_end),
            plan.cols.touching(part.col_off, part.col_end),
        )
    )
    at_once = min(scorer.streams, len(windows))
    chips = [_read_chip(scene, bands, plan, row, col) for row, col in _spread(windows)]
    with worker_threads(at_once) as threads:
        _seconds_each(scorer, chips[0], at_once, threads)
        median = statistics.median(_seconds_each(scorer, chip, at_once, threads) for chip in chips)
    return len(windows) * median


def _read_chip(scene: Source, bands: Sequence[int], plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    (first, end), (first_col, end_col) = plan.rows.seen(row), plan.cols.seen(col)
    pixels, valid = scene.read(Window(first, first_col, end - first, end_col - first_col), bands)
    return cut_chip(Strip(first, first_col, pixels, valid, valid), plan, row, col)


def _spread(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [windows[index] for index in sorted({0, len(windows) // 2, len(windows) - 1})]


def _seconds_each(scorer: Scorer, chip: tuple[Pixels, Valid], at_once: int, threads: ThreadPoolExecutor) -> float:
    started = time.perf_counter()
    for running in [threads.submit(scorer.score, *chip) for _ in range(at_once)]:
        running.result()
    return (time.perf_counter() - started) / at_once

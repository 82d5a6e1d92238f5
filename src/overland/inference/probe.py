"""The probe: what a prediction will take, from a few of its windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from overland.inference.ahead import worker_threads
from overland.inference.plan import Plan
from overland.inference.region import Region
from overland.inference.scorers import Pixels, Scorer, Valid
from overland.raster import Scene, Window

__all__ = ["probe_seconds"]


def probe_seconds(
    scorer: Scorer, scene: Scene, bands: Sequence[int], plan: Plan, *, region: Region | None = None
) -> float:
    """Estimate the seconds that a scene takes: the median of up to three of its windows, times their number.

    Each window is run as often at once as the run itself runs windows, because streams slow each other down. The first
    one is run once more before the clock starts, because an engine sets itself up in its first run. Windows that turn
    out to hold no data are counted as if they did: the estimate is an upper one.
    """
    windows = _windows_of(plan, scene.grid.window if region is None else region.window)
    at_once = min(scorer.streams, len(windows))
    chips = [scene.read_padded(window, bands) for window in _spread(windows)]
    with worker_threads(at_once) as threads:
        _seconds_each(scorer, chips[0], at_once, threads)
        median = statistics.median(_seconds_each(scorer, chip, at_once, threads) for chip in chips)
    return len(windows) * median


def _windows_of(plan: Plan, part: Window) -> list[Window]:
    rows, cols = plan.rows, plan.cols
    return [
        Window(rows.start(row), cols.start(col), rows.chip, cols.chip)
        for row in rows.touching(part.row_off, part.row_end)
        for col in cols.touching(part.col_off, part.col_end)
    ]


def _spread(windows: list[Window]) -> list[Window]:
    return [windows[index] for index in sorted({0, len(windows) // 2, len(windows) - 1})]


def _seconds_each(scorer: Scorer, chip: tuple[Pixels, Valid], at_once: int, threads: ThreadPoolExecutor) -> float:
    started = time.perf_counter()
    for running in [threads.submit(scorer.score, *chip) for _ in range(at_once)]:
        running.result()
    return (time.perf_counter() - started) / at_once

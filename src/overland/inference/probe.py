"""The probe: what a prediction will take, from a few of its windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from overland.bundle import ModelBundle
from overland.inference.engines import Engine
from overland.inference.plan import Plan
from overland.inference.predictor import scores_of_chip
from overland.raster import Scene, Window

__all__ = ["probe_seconds"]

_WHOLE = (slice(None), slice(None))


def probe_seconds(bundle: ModelBundle, engine: Engine, scene: Scene, bands: Sequence[int], plan: Plan) -> float:
    """Estimate the seconds that a scene takes: the median of up to three of its windows, times their number.

    The first window is run once more before the clock starts, because an engine sets itself up in its first run.
    """
    windows = _spread_windows(plan)
    _seconds_of(bundle, engine, scene, bands, windows[0])
    return plan.windows * statistics.median(_seconds_of(bundle, engine, scene, bands, window) for window in windows)


def _spread_windows(plan: Plan) -> list[Window]:
    chosen = sorted({0, plan.windows // 2, plan.windows - 1})
    rows, cols = plan.rows, plan.cols
    places = [divmod(index, cols.count) for index in chosen]
    return [Window(rows.start(row), cols.start(col), rows.chip, cols.chip) for row, col in places]


def _seconds_of(bundle: ModelBundle, engine: Engine, scene: Scene, bands: Sequence[int], window: Window) -> float:
    started = time.perf_counter()
    scores_of_chip(bundle, engine, *scene.read_padded(window, bands), _WHOLE)
    return time.perf_counter() - started

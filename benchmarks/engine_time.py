"""The pure time of an engine: its windows cut and scaled beforehand, and as many at once as it wants."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import load_bundle
from overland.inference import Engine, open_engine, wants_palette_colors
from overland.inference.probabilities import scale_pixels
from overland.raster import Scene, Window, open_scene

__all__ = ["chips_of_scene", "engine_seconds", "seconds_per_window"]

Chips = npt.NDArray[np.float32]

_DIFFERENT = 4


def engine_seconds(
    model: Path, scene: Path, engine: str, precision: str, chip: tuple[int, int], calls: int
) -> dict[str, Any]:
    """Seconds of the machine that a window takes: the median of so many calls, divided by those that go on at once.

    Also gives the engine's name, precision and streams, and the processor seconds of a window.
    """
    bundle = load_bundle(model)
    runner = open_engine(bundle, engine, precision=precision)
    with open_scene(scene, expand_palette=wants_palette_colors(bundle)) as opened:
        chips = [scale_pixels(bundle, pixels)[None] for pixels in chips_of_scene(opened, bundle.bands, chip)]
    return seconds_per_window(runner, chips, calls)


def chips_of_scene(scene: Scene, bands: tuple[int, ...], chip: tuple[int, int]) -> list[npt.NDArray[Any]]:
    """A few chips (bands, height, width) spread over a scene."""
    height, width = chip
    places = np.linspace(0, 1, _DIFFERENT)
    windows = [
        Window(
            col_off=int(at * max(0, scene.width - width)),
            row_off=int(at * max(0, scene.height - height)),
            width=width,
            height=height,
        )
        for at in places
    ]
    return [scene.read_padded(window, bands)[0] for window in windows]


def seconds_per_window(engine: Engine, chips: list[Chips], calls: int) -> dict[str, Any]:
    """As `engine_seconds`, of an engine that is open."""
    calls = max(calls, 2) * engine.workers

    def timed(index: int) -> float:
        started = time.perf_counter()
        engine.run(chips[index % len(chips)])
        return time.perf_counter() - started

    with ThreadPoolExecutor(engine.workers) as threads:
        # The first call of each thread sets the engine up.
        list(threads.map(timed, range(engine.workers)))
        processor = time.process_time()
        times = list(threads.map(timed, range(calls)))
        processor = time.process_time() - processor
    return {
        "engine": engine.name,
        "precision": engine.precision,
        "workers": engine.workers,
        # The last calls have more of the machine to themselves.
        "seconds": statistics.median(times[: calls - engine.workers + 1]) / engine.workers,
        "processor_seconds": processor / calls,
    }

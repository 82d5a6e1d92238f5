"""Context: how far from the border of a chip a network's scores still depend on what was cut off there."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_probabilities
from overland.inference import model_classifier, open_engine
from overland.inference.compatibility import check_scene, wants_palette_colors
from overland.inference.memory import measure_memory_per_pixel
from overland.inference.plan import Plan, even_halo, round_up
from overland.inference.probabilities import PixelClassifier, Pixels, Valid
from overland.inference.region import Region
from overland.inference.stream import RowBuffer, Source, cut_chip
from overland.inference.threads import worker_threads
from overland.raster import Scene, Window, open_scene

__all__ = [
    "Chip",
    "context_count",
    "context_side",
    "measure_halo",
    "measured_bundle",
    "probe_seconds",
    "sample_chips",
]


# Samples: a few windows spread over scenes, to measure a network on what it will see.

Chip = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]
"""Pixels (bands, height, width) as stored, and where they hold data (height, width)."""

_LEAST_DATA = 0.5


def sample_chips(
    bundle: ModelBundle,
    sources: Sequence[str | Path],
    *,
    side: int,
    count: int,
    bands: Sequence[int] | None = None,
) -> list[Chip]:
    """Read about `count` chips of `side` x `side` pixels from scenes that fit a bundle, the same ones every time.

    They do not overlap, are spread over the scenes and over each of them, and at least half of each holds data; there
    are fewer where the scenes have no more. A scene smaller than a chip is filled up by reflection. `bands` are as in
    `check_scene`. Returns pixels (bands, side, side) as stored and where they hold data (side, side). Raises
    `DataError` for a scene that does not fit the model.
    """
    chosen = [sources[index] for index in _spread(len(sources), count)]
    shares = [count * (index + 1) // len(chosen) - count * index // len(chosen) for index in range(len(chosen))]
    chips: list[Chip] = []
    for source, share in zip(chosen, shares, strict=True):
        with open_scene(source, expand_palette=wants_palette_colors(bundle)) as scene:
            chips += islice(_iter_chips(scene, check_scene(bundle, scene, bands), side), share)
    return chips


def _iter_chips(scene: Scene, bands: Sequence[int], side: int) -> Iterator[Chip]:
    corners = [(row, col) for row in _offsets(scene.height, side) for col in _offsets(scene.width, side)]
    for index in np.random.default_rng(0).permutation(len(corners)):
        row, col = corners[index]
        pixels, valid = scene.read_padded(Window(col_off=col, row_off=row, width=side, height=side), bands)
        if valid.mean() >= _LEAST_DATA:
            yield pixels, valid


def _offsets(length: int, side: int) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    return [round(offset) for offset in np.linspace(0, length - side, length // side)]


def _spread(length: int, count: int) -> list[int]:
    return [round(index) for index in np.linspace(0, length - 1, min(length, count))]


logger = logging.getLogger("overland")

# Of the pixels inside the halo of a chip as in training. The seam test allows 0.1 % of labels on which two grids of
# windows disagree, and each grid has its own share of errors. Scenes differ: measured on images with few roads, a
# tolerance of 0.1 % gave a road model a halo of 16, with which 0.2 % of another scene's labels flipped.
_LARGEST_FLIPS = 0.0005
_LARGEST_DIFFERENCE = 0.001

_LARGEST_SIDE = 512
_LARGEST_SHARE = 3 / 8
_FEWEST, _MOST, _MEGAPIXELS = 4, 24, 8.0


def measure_halo(bundle: ModelBundle, scorer: PixelClassifier, chips: Iterable[Chip]) -> int:
    """Measure the pixels at a chip's border whose scores differ because the context is cut off there.

    Each chip of `context_side(bundle)` pixels (`context_count` of them are enough) is scored whole, and so is its
    middle half alone. The halo is the smallest multiple of 8 that keeps the network's strides in phase (`even_halo`)
    beyond which the two disagree on at most 0.05 % of the labels and by 0.001 in the mean score. That is the radius of
    the effective receptive field, not of the theoretical one, which is several times as large: the influence of a pixel
    falls off like a Gaussian with its distance (Luo et al. 2016, "Understanding the effective receptive field in deep
    convolutional neural networks").

    A network without context has halo 0. One that pools over the whole chip never settles: its halo ends at three
    eighths of the smaller chip, and that is logged. Without any data the bundle's own halo is kept.
    """
    profile = _Profile(_inner_side(bundle))
    for pixels, valid in chips:
        profile.add(bundle, scorer, pixels, valid)
    if profile.is_empty:
        logger.warning("The halo was not measured, because no window held data; it stays at %d pixels.", bundle.halo)
        return bundle.halo
    step = even_halo(8, bundle.size_divisor)
    candidates = range(0, round(profile.side * _LARGEST_SHARE) + 1, step)
    for halo in candidates:
        flips, difference = profile.beyond(halo)
        if flips <= _LARGEST_FLIPS and difference <= _LARGEST_DIFFERENCE:
            logger.info(
                "Halo: %d pixels; %.3f %% of the labels further in depend on what lies outside.", halo, 100 * flips
            )
            return halo
    logger.warning(
        "%.2f %% of the labels still depend on what lies outside a chip %d pixels away: the network looks further than "
        "can be measured. The halo is %d; seams may show, and a larger --chip-size has fewer.",
        100 * flips,
        candidates[-1],
        candidates[-1],
    )
    return candidates[-1]


def context_side(bundle: ModelBundle) -> int:
    """Side of the chips that `measure_halo` takes: twice that of the chips in training, at most 1024."""
    return 2 * _inner_side(bundle)


def context_count(bundle: ModelBundle) -> int:
    """Number of chips that `measure_halo` needs: about 8 Mpx, so that it takes seconds."""
    return int(np.clip(_MEGAPIXELS * 1e6 / context_side(bundle) ** 2, _FEWEST, _MOST))


def _inner_side(bundle: ModelBundle) -> int:
    # Half of it is the margin around the smaller chip, which has to keep the network's strides in phase too.
    return round_up(min(bundle.chip_size, _LARGEST_SIDE), 2 * bundle.size_divisor)


@dataclass
class _Profile:
    """Differences between a chip and its middle half alone, summed by the distance to the smaller one's border."""

    side: int

    def __post_init__(self) -> None:
        to_border = np.minimum(np.arange(self.side), np.arange(self.side)[::-1])
        self._distance = np.minimum.outer(to_border, to_border)
        self._sums = np.zeros((3, self.side // 2))

    def add(
        self, bundle: ModelBundle, scorer: PixelClassifier, pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
    ) -> None:
        middle = (..., *2 * (slice(self.side // 2, self.side // 2 + self.side),))
        whole = scorer.score(pixels, valid)[middle]
        alone = scorer.score(pixels[middle], valid[middle])
        is_known = valid[middle]
        flips = mask_from_probabilities(bundle, whole) != mask_from_probabilities(bundle, alone)
        for row, values in enumerate((is_known, flips & is_known, np.abs(whole - alone).mean(axis=0) * is_known)):
            self._sums[row] += np.bincount(self._distance.ravel(), values.ravel(), self._sums.shape[1])

    @property
    def is_empty(self) -> bool:
        """Whether no pixel with data was added."""
        return not self._sums[0].any()

    def beyond(self, halo: int) -> tuple[float, float]:
        """Share of labels that differ and mean difference of the scores, over the pixels inside the halo."""
        pixels, flips, difference = self._sums[:, halo:].sum(axis=1)
        return (float(flips / pixels), float(difference / pixels)) if pixels else (0.0, 0.0)


# The probe: what a prediction will take, from a few of its windows.


def probe_seconds(
    scorer: PixelClassifier, scene: Source, bands: Sequence[int], plan: Plan, *, region: Region | None = None
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
    chips = [_read_chip(scene, bands, plan, row, col) for row, col in _spread_probe(windows)]
    with worker_threads(at_once) as threads:
        _seconds_each(scorer, chips[0], at_once, threads)
        median = statistics.median(_seconds_each(scorer, chip, at_once, threads) for chip in chips)
    return len(windows) * median


def _read_chip(scene: Source, bands: Sequence[int], plan: Plan, row: int, col: int) -> tuple[Pixels, Valid]:
    (first, end), (first_col, end_col) = plan.rows.seen(row), plan.cols.seen(col)
    pixels, valid = scene.read(
        Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first), bands
    )
    return cut_chip(RowBuffer(first, first_col, pixels, valid, valid), plan, row, col)


def _spread_probe(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [windows[index] for index in sorted({0, len(windows) // 2, len(windows) - 1})]


def _seconds_each(
    scorer: PixelClassifier, chip: tuple[Pixels, Valid], at_once: int, threads: ThreadPoolExecutor
) -> float:
    started = time.perf_counter()
    for running in [threads.submit(scorer.score, *chip) for _ in range(at_once)]:
        running.result()
    return (time.perf_counter() - started) / at_once


# Measure: what a bundle knows of its own network, the halo and the memory, found by running it.


def measured_bundle(
    bundle: ModelBundle, scenes: Sequence[str | Path], bands: Sequence[int] | None = None
) -> ModelBundle:
    """Give a bundle that is on disk with its `halo` and `bytes_per_pixel` measured; the files are left as they are.

    The halo is measured on windows of the scenes, in ONNX Runtime at fp32, so that it is the same wherever it is
    measured; a network that sees whole images squashed has none. `bands` are as in `predict`. Raises `DataError` for a
    scene that does not fit the model.
    """
    if bundle.squash:
        return replace(bundle, halo=0, bytes_per_pixel=measure_memory_per_pixel(bundle))
    chips = sample_chips(bundle, scenes, side=context_side(bundle), count=context_count(bundle), bands=bands)
    scorer = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    halo = measure_halo(bundle, scorer, chips)
    return replace(bundle, halo=halo, bytes_per_pixel=measure_memory_per_pixel(bundle))

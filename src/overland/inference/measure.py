"""Measures of a bundle's own network, found by running it: its halo, its memory, its window, and the time of a run.

The halo is how far from the border of a window a network's labels still depend on what was cut off there.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle
from overland.geo.grid import Window
from overland.inference.compatibility import check_scene, wants_palette_colors
from overland.inference.engines import open_engine
from overland.inference.ensemble import PixelClassifier, model_classifier
from overland.inference.memory import measure_memory_per_pixel, window_for
from overland.inference.plan import Plan, even_halo, round_up
from overland.inference.probabilities import Pixels, Valid, mask_from_probabilities
from overland.inference.region import Region
from overland.inference.stream import Reader, RowBuffer, cut_chip
from overland.inference.threads import WorkerThreads, worker_threads
from overland.raster.read import Scene, open_scene

__all__ = [
    "Chip",
    "ContextProfile",
    "halo_of_profile",
    "measure_halo",
    "measured_bundle",
    "probe_seconds",
    "sample_chips",
]

logger = logging.getLogger(__name__)

Chip = tuple[Pixels, Valid]
"""Pixels (bands, height, width) as stored, and where they hold data (height, width)."""

_LEAST_DATA = 0.5

# Of the pixels inside the halo of a window. The seam test allows 0.1 % of labels on which two grids of windows
# disagree, and each grid has its own errors. Scenes differ: measured on images with few roads, a tolerance of 0.1 %
# gave a road model a halo of 16, with which 0.2 % of another scene's labels flipped.
_LARGEST_FLIPS = 0.0005
_LARGEST_DIFFERENCE = 0.001
# A halo that leaves no more than this many times the flips of the widest one is as good: what is left comes from layers
# that see the whole window, and no halo helps against them.
_AS_GOOD = 1.25

# Side of the part that is compared, and of the context around it that is there or not, in pixels: first as much as
# most networks need, then more. They do not depend on the chips of training, which are often smaller than what a
# network sees: of chips of 256 pixels no halo over 96 could be measured.
_STEPS = ((512, 256), (1024, 256))
_LARGEST_PART = 3 / 8
_FEWEST, _MOST, _MEGAPIXELS = 4, 24, 8.0


def sample_chips(
    bundle: ModelBundle,
    sources: Sequence[str | Path],
    *,
    side: int,
    count: int,
    bands: Sequence[int] | None = None,
) -> list[Chip]:
    """Read chips from scenes that fit a bundle, the same ones every time.

    They do not overlap, are spread over the scenes and over each of them, and at least half of each holds data. A scene
    smaller than a chip is filled up by reflection.

    Args:
        bundle: The model.
        sources: Files of scenes.
        side: Side of a chip in pixels.
        count: Number of chips; there are fewer where the scenes have no more.
        bands: Bands to read, as in `check_scene`.

    Returns:
        Pixels (bands, side, side) as stored and where they hold data (side, side), of each chip.

    Raises:
        DataError: A scene does not fit the model.
    """
    spread = np.linspace(0, len(sources) - 1, min(len(sources), count))
    chosen = [sources[round(index)] for index in spread]
    counts = [count * (index + 1) // len(chosen) - count * index // len(chosen) for index in range(len(chosen))]
    chips: list[Chip] = []
    for source, number in zip(chosen, counts, strict=True):
        with open_scene(source, expand_palette=wants_palette_colors(bundle)) as scene:
            chips += islice(_iter_chips(scene, check_scene(bundle, scene, bands), side), number)
    return chips


def _iter_chips(scene: Scene, bands: Sequence[int], side: int) -> Iterator[Chip]:
    corners = list(product(_offsets(scene.height, side), _offsets(scene.width, side)))
    for index in np.random.default_rng(0).permutation(len(corners)):
        row, col = corners[index]
        pixels, valid = scene.read_padded(Window(col_off=col, row_off=row, width=side, height=side), bands)
        if valid.mean() >= _LEAST_DATA:
            yield pixels, valid


def _offsets(length: int, side: int) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    return [round(offset) for offset in np.linspace(0, length - side, length // side)]


@dataclass
class ContextProfile:
    """Differences between windows with their context and without, by the distance to the border of the smaller one.

    Attributes:
        side: Side of the smaller window in pixels.
    """

    side: int

    def __post_init__(self) -> None:
        to_border = np.minimum(np.arange(self.side), np.arange(self.side)[::-1])
        self._distance = np.minimum.outer(to_border, to_border)
        self._sums = np.zeros((3, self.side // 2))
        self.largest_difference = np.zeros(self.side // 2)

    def add(self, bundle: ModelBundle, classifier: PixelClassifier, pixels: Pixels, valid: Valid) -> None:
        """Classify a chip whole and its middle alone, and take the differences.

        Args:
            bundle: The model.
            classifier: Its classifier.
            pixels: Pixels (bands, height, width) as stored, larger than the smaller window.
            valid: Where they hold data (height, width).
        """
        first = (valid.shape[0] - self.side) // 2
        middle = (..., *2 * (slice(first, first + self.side),))
        whole = classifier.classify(pixels, valid)[middle]
        alone = classifier.classify(pixels[middle], valid[middle])
        is_known = valid[middle]
        flips = mask_from_probabilities(bundle, whole) != mask_from_probabilities(bundle, alone)
        difference = np.abs(whole - alone)
        for row, values in enumerate((is_known, flips & is_known, difference.mean(axis=0) * is_known)):
            self._sums[row] += np.bincount(self._distance.ravel(), values.ravel(), self._sums.shape[1])
        largest = difference.max(axis=0) * is_known
        np.maximum.at(self.largest_difference, self._distance.ravel(), largest.ravel())

    @property
    def is_empty(self) -> bool:
        """True while no pixel with data was added."""
        return not self._sums[0].any()

    def beyond(self, halo: int) -> tuple[float, float]:
        """Measure the differences that reach further in than a halo.

        Args:
            halo: Pixels from the border.

        Returns:
            Fraction of the labels that differ, and mean difference of the probabilities.
        """
        pixels, flips, difference = self._sums[:, halo:].sum(axis=1)
        return (float(flips / pixels), float(difference / pixels)) if pixels else (0.0, 0.0)


def halo_of_profile(profile: ContextProfile, divisor: int) -> tuple[int, bool]:
    """Choose the halo of a network.

    Args:
        profile: What was measured.
        divisor: The number that sides of windows are multiples of.

    Returns:
        The smallest multiple of 8 that keeps the network's strides in phase beyond which at most 0.05 % of the labels
        and 0.001 of the mean probability depend on the context, and True; where there is none, the smallest one that is
        as good as the widest, and False.
    """
    step = even_halo(8, divisor)
    # Averages over a large window hide a narrow rim, and without any halo all of it would lie on the seams.
    has_context = profile.largest_difference.max(initial=0.0) > _LARGEST_DIFFERENCE
    candidates = range(step if has_context else 0, round(profile.side * _LARGEST_PART) + 1, step)
    for halo in candidates:
        flips, difference = profile.beyond(halo)
        if flips <= _LARGEST_FLIPS and difference <= _LARGEST_DIFFERENCE:
            return halo, True
    least = profile.beyond(candidates[-1])[0]
    return next(halo for halo in candidates if profile.beyond(halo)[0] <= _AS_GOOD * least), False


def measure_halo(
    bundle: ModelBundle, classifier: PixelClassifier, read_chips: Callable[[int, int], Iterable[Chip]]
) -> int:
    """Measure the pixels at a window's border whose labels differ because the context is cut off there.

    Chips are classified whole, and so are their middles alone, 512 pixels with 256 around them; a network that looks
    further is measured again on 1,024 pixels. That is the radius of the effective receptive field, not of the
    theoretical one, which is several times as large: the influence of a pixel falls off like a Gaussian with its
    distance (Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural networks").

    A network without context has halo 0. One that pools over the whole window never settles; that is logged. Without
    any data the bundle's own halo is kept.

    Args:
        bundle: The model.
        classifier: Its classifier.
        read_chips: Reads chips of a side, about so many.

    Returns:
        The halo in pixels.
    """
    for is_last, (inner, margin) in zip((False, True), _STEPS, strict=True):
        # The margin has to keep the network's strides in phase.
        margin = round_up(margin, bundle.size_divisor)
        profile = ContextProfile(round_up(inner, bundle.size_divisor))
        side = profile.side + 2 * margin
        count = int(np.clip(_MEGAPIXELS * 1e6 / side**2, _FEWEST, _MOST))
        for pixels, valid in read_chips(side, count):
            profile.add(bundle, classifier, pixels, valid)
        if profile.is_empty:
            logger.warning("The halo was not measured, because no window held data; it stays at %d.", bundle.halo)
            return bundle.halo
        halo, is_enough = halo_of_profile(profile, bundle.size_divisor)
        flips = 100 * profile.beyond(halo)[0]
        if is_enough:
            logger.info("Halo: %d pixels; %.3f %% of the labels further in depend on what lies outside.", halo, flips)
            return halo
        if is_last:
            logger.warning(
                "%.2f %% of the labels still depend on what lies outside a window %d pixels away, and a wider halo "
                "does not help: the network sees the whole window. The halo is %d; seams may show, and a larger "
                "--chip-size has fewer.",
                flips,
                halo,
                halo,
            )
    return halo


def measured_bundle(
    bundle: ModelBundle, scenes: Sequence[str | Path], bands: Sequence[int] | None = None
) -> ModelBundle:
    """Measure the halo, the memory and with them the window of a bundle that is on disk.

    The halo is measured on windows of the scenes, in ONNX Runtime at fp32, so that it is the same wherever it is
    measured; a network that resizes whole images to a fixed size has none.

    Args:
        bundle: The model; its files are left as they are.
        scenes: Files of scenes.
        bands: Bands to read, as in `predict`.

    Returns:
        The bundle with `halo`, `bytes_per_pixel` and `window`.

    Raises:
        DataError: A scene does not fit the model.
    """
    bytes_per_pixel = measure_memory_per_pixel(bundle)
    if bundle.fixed_size:
        return replace(bundle, halo=0, bytes_per_pixel=bytes_per_pixel, window=None)

    def read_chips(side: int, count: int) -> list[Chip]:
        return sample_chips(bundle, scenes, side=side, count=count, bands=bands)

    classifier = model_classifier(bundle, open_engine(bundle, "onnx", precision="fp32"))
    halo = measure_halo(bundle, classifier, read_chips)
    window = window_for(bytes_per_pixel, halo=halo, divisor=bundle.size_divisor)
    return replace(bundle, halo=halo, bytes_per_pixel=bytes_per_pixel, window=window)


def probe_seconds(
    classifier: PixelClassifier,
    scene: Reader,
    bands: Sequence[int],
    plan: Plan,
    *,
    region: Region | None = None,
    workers: int | None = None,
) -> float:
    """Estimate the seconds that a scene takes: the median of up to three of its windows, times their number.

    Each window is run as often at once as the run itself runs windows, because they slow each other down. The first one
    is run once more before the clock starts, because an engine sets itself up in its first run. Windows that turn out
    to hold no data are counted as if they did: the estimate is an upper one.

    Args:
        classifier: Gives the probabilities of a window.
        scene: The scene.
        bands: Bands to read, counted from 1.
        plan: The windows of the scene.
        region: The part of the scene that is to be predicted; all of it by default.
        workers: Number of windows that are computed at once; by default as many as the classifier wants.

    Returns:
        Seconds.
    """
    part = scene.grid.window if region is None else region.window
    rows, cols = (
        plan.rows.touching(part.row_off, part.row_end),
        plan.cols.touching(part.col_off, part.col_end),
    )
    windows = list(product(rows, cols))
    chips = []
    for index in sorted({0, len(windows) // 2, len(windows) - 1}):
        row, col = windows[index]
        (first, end), (first_col, end_col) = plan.rows.seen(row), plan.cols.seen(col)
        seen = Window(col_off=first_col, row_off=first, width=end_col - first_col, height=end - first)
        pixels, valid = scene.read(seen, bands)
        chips.append(cut_chip(RowBuffer(first, first_col, pixels, valid, valid), plan, row, col))
    workers = min(workers or classifier.workers, len(windows))
    with worker_threads(workers) as threads:
        _seconds_each(classifier, chips[0], workers, threads)
        median = statistics.median(_seconds_each(classifier, chip, workers, threads) for chip in chips)
    return len(windows) * median


def _seconds_each(classifier: PixelClassifier, chip: Chip, workers: int, threads: WorkerThreads) -> float:
    started = time.perf_counter()
    for running in [threads.submit(classifier.classify, *chip) for _ in range(workers)]:
        threads.result(running)
    return (time.perf_counter() - started) / workers

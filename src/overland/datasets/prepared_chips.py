"""The chips of an image, cut one after the other, and whether each is worth keeping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overland.datasets.chip_plan import ChipRules, plan_chips
from overland.datasets.dataset import Dataset, Sample, read_sample
from overland.datasets.emptiness import empty_share, is_constant
from overland.legend import IGNORE_INDEX
from overland.raster import Grid, Window, open_scene

__all__ = ["Chip", "Fate", "SceneFacts", "iter_chips", "scene_facts"]

_WHOLE_IMAGE_PIXELS = 32_000_000  # Larger images are read one row of chips after the other.
_MOST_EMPTY = 0.5

Pixels = npt.NDArray[Any]
Ids = npt.NDArray[np.uint8]
Sides = tuple[tuple[int, int], tuple[int, int]]
Fate = Literal["kept", "blank", "unlabelled", "little foreground"]


@dataclass(frozen=True)
class SceneFacts:
    """What of an image goes along to its chips; `nodata` is None for a palette, whose colours are what is kept."""

    grid: Grid
    nodata: float | None
    descriptions: tuple[str, ...]


@dataclass(frozen=True)
class Chip:
    """A chip: image (bands, height, width), ids (height, width), where it lies, and what is to become of it.

    `window` may reach beyond the image, `inside` is the part of it that does not. Shares are of the part inside;
    that of the foreground is of its labelled pixels, None without a background.
    """

    window: Window
    inside: Window
    image: Pixels
    target: Ids
    fate: Fate
    empty_share: float
    labelled_share: float
    foreground_share: float | None


def scene_facts(sample: Sample) -> SceneFacts:
    """Read the header of a sample's image."""
    with open_scene(sample.image) as scene:
        named = all(scene.descriptions) and scene.palette is None
        descriptions = tuple(scene.descriptions[band - 1] or "" for band in scene.data_bands) if named else ()
        return SceneFacts(scene.grid, None if scene.palette is not None else scene.nodata, descriptions)


def iter_chips(
    dataset: Dataset, sample: Sample, facts: SceneFacts, rules: ChipRules, *, for_training: bool
) -> Iterator[Chip]:
    """Cut all chips of a sample, those that are to be dropped too.

    Beyond the image and where it has no data the ids are 255; pixels without data are the file's nodata, NaN or 0.
    The least share of foreground is asked of training chips alone: scores on chosen chips would flatter.
    """
    whole = facts.grid.window
    is_small = whole.height * whole.width <= _WHOLE_IMAGE_PIXELS
    strip = _read(dataset, sample, facts, whole) if is_small else None
    for windows in plan_chips(whole.height, whole.width, rules):
        if not is_small:
            strip = _read(dataset, sample, facts, _strip_of(windows[0], whole, rules))
        assert strip is not None
        for window in windows:
            yield _chip(dataset, strip, window, rules, for_training=for_training)


def _strip_of(first: Window, whole: Window, rules: ChipRules) -> Window:
    # A chip that is mirrored at the lower edge shows rows above it again.
    above = rules.chip_size if rules.pad == "reflect" else 0
    return Window(first.row_off - above, 0, above + first.height, whole.width).intersection(whole)


@dataclass(frozen=True)
class _Strip:
    """A part of an image that was read at once, and the image's own window; `filling` is what stands for no data."""

    window: Window
    whole: Window
    image: Pixels
    target: Ids
    valid: npt.NDArray[np.bool_]
    filling: float


def _read(dataset: Dataset, sample: Sample, facts: SceneFacts, window: Window) -> _Strip:
    image, target, valid = read_sample(dataset, sample, window=window)
    filling = facts.nodata if facts.nodata is not None else math.nan if image.dtype.kind == "f" else 0.0
    image[:, ~valid] = filling
    return _Strip(window, facts.grid.window, image, target, valid, filling)


def _chip(dataset: Dataset, strip: _Strip, window: Window, rules: ChipRules, *, for_training: bool) -> Chip:
    inside = window.intersection(strip.window)
    rows, cols = inside.shifted(-strip.window.row_off, -strip.window.col_off).slices
    image, target = strip.image[:, rows, cols], strip.target[rows, cols]
    empty = 1.0 if is_constant(image) else empty_share(image, strip.valid[rows, cols])
    labelled = target != IGNORE_INDEX
    foreground = _foreground_share(target, labelled, dataset.legend.background)
    sides = ((0, window.height - inside.height), (0, window.width - inside.width))
    return Chip(
        window,
        inside,
        _mirrored(strip, window) if rules.pad == "reflect" else _filled(image, sides, strip.filling),
        np.pad(target, sides, constant_values=IGNORE_INDEX),
        _fate(rules, empty, labelled, foreground, for_training=for_training),
        empty,
        float(labelled.mean()),
        foreground,
    )


def _foreground_share(target: Ids, labelled: npt.NDArray[np.bool_], background: int | None) -> float | None:
    if background is None:
        return None
    return float((labelled & (target != background)).sum() / max(int(labelled.sum()), 1))


def _fate(
    rules: ChipRules, empty: float, labelled: npt.NDArray[np.bool_], foreground: float | None, *, for_training: bool
) -> Fate:
    if rules.drop_blank and empty >= _MOST_EMPTY:
        return "blank"
    if not labelled.any():
        return "unlabelled"
    wanted = rules.min_foreground if for_training else None
    return "little foreground" if wanted is not None and (foreground or 0.0) < wanted else "kept"


def _filled(image: Pixels, sides: Sides, filling: float) -> Pixels:
    return np.pad(image, ((0, 0), *sides), constant_values=filling)


def _mirrored(strip: _Strip, window: Window) -> Pixels:
    rows = _reflected(window.row_off, window.row_end, strip.whole.height) - strip.window.row_off
    cols = _reflected(window.col_off, window.col_end, strip.whole.width)
    return strip.image[:, rows[:, None], cols]


def _reflected(start: int, end: int, length: int) -> npt.NDArray[np.intp]:
    """Where each of the places from start to end lies in an image that is mirrored at its edges again and again."""
    period = max(1, 2 * (length - 1))
    places = np.arange(start, end) % period
    return np.minimum(places, period - places)

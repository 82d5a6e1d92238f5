"""Context: how far from the border of a chip a network's scores still depend on what was cut off there."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_scores
from overland.inference.plan import even_halo, round_up
from overland.inference.samples import Chip
from overland.inference.scorers import Scorer

__all__ = ["context_count", "context_side", "measure_halo"]

logger = logging.getLogger("overland")

# Of the pixels inside the halo of a chip as in training. The seam test allows 0.1 % of labels on which two grids of
# windows disagree, and each grid has its own share of errors. Scenes differ: measured on images with few roads, a
# tolerance of 0.1 % gave a road model a halo of 16, with which 0.2 % of another scene's labels flipped.
_LARGEST_FLIPS = 0.0005
_LARGEST_DIFFERENCE = 0.001

_LARGEST_SIDE = 512
_LARGEST_SHARE = 3 / 8
_FEWEST, _MOST, _MEGAPIXELS = 4, 24, 8.0


def measure_halo(bundle: ModelBundle, scorer: Scorer, chips: Iterable[Chip]) -> int:
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

    def add(self, bundle: ModelBundle, scorer: Scorer, pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
        middle = (..., *2 * (slice(self.side // 2, self.side // 2 + self.side),))
        whole = scorer.score(pixels, valid)[middle]
        alone = scorer.score(pixels[middle], valid[middle])
        is_known = valid[middle]
        flips = mask_from_scores(bundle, whole) != mask_from_scores(bundle, alone)
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

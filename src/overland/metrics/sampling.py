"""Stratified random samples: how many points each stratum gets, and which pixels they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overland.errors import UsageError

__all__ = ["ALLOCATIONS", "Drawn", "StrataBlock", "allocate_points", "draw_stratified"]

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

# One point says nothing of the spread within a stratum.
_FEWEST = 2


@dataclass(frozen=True)
class StrataBlock:
    """A block of a raster of strata: ids (height, width) of 8 bits, and the area of a pixel of each row (height)."""

    strata: npt.NDArray[np.uint8]
    areas: Floats
    row_off: int
    col_off: int


@dataclass(frozen=True)
class Drawn:
    """The pixels that were drawn, in random order: three arrays of the same length."""

    strata: Ids
    rows: Ids
    cols: Ids


def allocate_points(points: int, weights: npt.ArrayLike, how: str, *, min_points: int = 50) -> Ids:
    """Share out points among strata whose shares of the area are `weights`; those of no area get none.

    "proportional" to the area; "equal"; or "olofsson": small strata get `min_points` each (less when there are not
    enough), the rest goes to the others by area. Every stratum gets two at least, so that it has a variance.
    Raises `UsageError` for an unknown way and for too few points. Source: Olofsson et al. 2014, RSE 148.
    """
    if how not in ALLOCATIONS:
        raise UsageError(f"There is no allocation {how!r}; choose one of {', '.join(ALLOCATIONS)}.")
    weights = np.asarray(weights, np.float64)
    present = weights > 0
    if points < _FEWEST * present.sum():
        raise UsageError(f"{points} points are too few for {present.sum()} classes, which need {_FEWEST} each.")
    allocated = np.zeros(len(weights), np.int64)
    shares = ALLOCATIONS[how](points, weights[present] / weights[present].sum(), min_points)
    allocated[present] = _whole(shares, points)
    return allocated


def draw_stratified(blocks: Iterable[StrataBlock], sizes: npt.ArrayLike, seed: int) -> Drawn:
    """Draw `sizes[stratum]` pixels of each stratum at random, without replacement, as the blocks stream by.

    Within a stratum a pixel is drawn with a chance in proportion to its area, so that means over points are means over
    area also where pixels get smaller towards the pole. A stratum with fewer pixels gives all it has. The same blocks
    and seed give the same points. Source: Efraimidis and Spirakis 2006, Information Processing Letters 97 (A-Res).
    """
    quota = np.zeros(256, np.int64)
    quota[: len(np.asarray(sizes))] = sizes
    bounds = np.where(quota > 0, np.inf, 0.0)
    kept = np.zeros((4, 0))
    for block in blocks:
        rng = np.random.default_rng([seed, block.row_off, block.col_off])
        keys = rng.standard_exponential(block.strata.shape) / block.areas[:, None]
        rows, cols = np.nonzero(keys < bounds[block.strata])
        found = [block.strata[rows, cols], keys[rows, cols], rows + block.row_off, cols + block.col_off]
        kept, bounds = _smallest(np.hstack([kept, np.array(found, np.float64)]), quota)
    kept = kept[:, np.random.default_rng(seed).permutation(kept.shape[1])]
    strata, _, rows, cols = kept.astype(np.int64)
    return Drawn(strata, rows, cols)


def _smallest(candidates: Floats, quota: Ids) -> tuple[Floats, Floats]:
    """The candidates (stratum, key, row, column) with the smallest keys of each stratum, and each stratum's bound."""
    candidates = candidates[:, np.lexsort((candidates[1], candidates[0]))]
    strata = candidates[0].astype(np.int64)
    rank = np.arange(len(strata)) - np.searchsorted(strata, strata)
    kept = candidates[:, rank < quota[strata]]
    bounds = np.where(quota > 0, np.inf, 0.0)
    last = rank == quota[strata] - 1
    bounds[strata[last]] = candidates[1, last]
    return kept, bounds


def _proportional(points: int, weights: Floats, min_points: int) -> Floats:
    return points * weights


def _equal(points: int, weights: Floats, min_points: int) -> Floats:
    return np.full(len(weights), points / len(weights))


def _olofsson(points: int, weights: Floats, min_points: int) -> Floats:
    floor = min(min_points, points / len(weights))
    small = np.zeros(len(weights), bool)
    while True:
        left = points - floor * small.sum()
        shares = np.where(small, floor, left * weights / max(weights[~small].sum(), 1e-300))
        # What goes to a small class is taken from the others, which may make another one small.
        if not (shares[~small] < floor).any():
            return shares
        small |= shares < floor


ALLOCATIONS: dict[str, Callable[[int, Floats, int], Floats]] = {
    "proportional": _proportional,
    "equal": _equal,
    "olofsson": _olofsson,
}


def _whole(shares: Floats, points: int) -> Ids:
    """Whole numbers near the shares that add up to `points`, none below the fewest (largest remainder)."""
    whole = np.maximum(np.floor(shares + 1e-9), _FEWEST).astype(np.int64)
    while (missing := points - int(whole.sum())) != 0:
        gap = shares - whole
        gap[whole <= _FEWEST] = np.where(missing < 0, np.inf, gap[whole <= _FEWEST])
        whole[np.argmax(gap) if missing > 0 else np.argmin(gap)] += np.sign(missing)
    return whole

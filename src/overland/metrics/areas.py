"""Areas and accuracies of a map from a stratified sample of reference labels, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError

__all__ = [
    "ALLOCATIONS",
    "AreaEstimates",
    "Drawn",
    "Estimate",
    "StrataBlock",
    "allocate_points",
    "area_estimates",
    "counts_by_stratum",
    "draw_stratified",
    "required_sample_size",
    "z_value",
]


Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """Estimates and their standard errors, one for each class; NaN where the sample says nothing."""

    value: Floats
    se: Floats

    def margin(self, confidence: float = 0.95) -> Floats:
        """Half the width of the confidence interval, by the normal distribution."""
        return z_value(confidence) * self.se


@dataclass(frozen=True)
class AreaEstimates:
    """What a sample says of a map, as shares of its area.

    `proportions` is the error matrix (map class, reference class), `area` the share of each class by the reference;
    `users` and `producers` are accuracies of each class, `overall` has one element.
    """

    proportions: Floats
    area: Estimate
    users: Estimate
    producers: Estimate
    overall: Estimate


def area_estimates(counts: npt.ArrayLike, weights: npt.ArrayLike) -> AreaEstimates:
    """Estimate areas and accuracies from points that were drawn at random within strata.

    `counts` (strata, map classes, reference classes) says how many points fell where; `counts_by_stratum` makes it of
    an error matrix whose map classes are the strata. `weights` are the strata's shares of the area.
    Raises `DataError` when a stratum has fewer than two points, which leaves its variance unknown.
    Source: Stehman 2014, Int. J. Remote Sensing 35(13), without the finite-population correction; where the map
    classes are the strata, his ratio estimators become the formulas of Olofsson et al. 2014, RSE 148.
    """
    counts, weights = np.asarray(counts, np.int64), np.asarray(weights, np.float64)
    points = counts.sum(axis=(1, 2))
    used = (weights > 0) | (points > 0)
    if (points[used] < 2).any():
        raise DataError(f"Stratum {int(np.flatnonzero(used & (points < 2))[0])} has fewer than 2 points; draw more.")
    points = points[used]
    share_of_area = weights[used] / weights[used].sum()
    shares = counts[used] / points[:, None, None]
    correct = np.diagonal(shares, axis1=1, axis2=2)
    mapped, found = shares.sum(axis=2), shares.sum(axis=1)
    everything = np.ones_like(found)
    return AreaEstimates(
        proportions=np.asarray(np.tensordot(share_of_area, shares, axes=1)),
        area=_ratio(found, everything, points, share_of_area),
        users=_ratio(correct, mapped, points, share_of_area),
        producers=_ratio(correct, found, points, share_of_area),
        overall=_ratio(correct.sum(axis=1, keepdims=True), everything[:, :1], points, share_of_area),
    )


def counts_by_stratum(matrix: npt.ArrayLike) -> Counts:
    """Counts (strata, map classes, reference classes) of an error matrix whose map classes (rows) are the strata."""
    matrix = np.asarray(matrix, np.int64)
    counts = np.zeros((len(matrix), *matrix.shape), np.int64)
    index = np.arange(len(matrix))
    counts[index, index] = matrix
    return counts


def required_sample_size(
    weights: Sequence[float], accuracies: Sequence[float], target_se: float, population: float = math.inf
) -> int:
    """Points needed for a standard error of the overall accuracy, if map classes have the user's `accuracies`.

    `weights` are the classes' shares of the area, `population` is the number of pixels.
    Raises `UsageError` for numbers that are no accuracies. Source: Olofsson et al. 2014, equation 13.
    """
    if not 0 < target_se < 1 or any(not 0 <= accuracy <= 1 for accuracy in accuracies):
        raise UsageError(f"Accuracies and standard errors are between 0 and 1; got {[*accuracies]} and {target_se:g}.")
    share, expected = np.asarray(weights, float), np.asarray(accuracies, float)
    variances = expected * (1 - expected)
    needed: float = (share @ np.sqrt(variances)) ** 2 / (target_se**2 + share @ variances / population)
    # A hair down, so that rounding in the sum does not ask for one point more.
    return math.ceil(needed - 1e-9)


def z_value(confidence: float) -> float:
    """Standard errors in half a two-sided interval: 1.96 for .95. Raises `UsageError` unless it is within 0 and 1."""
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence is a share between 0 and 1, such as 0.95; got {confidence:g}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _ratio(part: Floats, whole: Floats, points: Counts, weights: Floats) -> Estimate:
    """Combined ratio of two means over strata, where every point in `part` is in `whole`; both (strata, classes)."""
    total = weights @ whole
    ratio = np.divide(weights @ part, total, out=np.full_like(total, np.nan), where=total > 0)
    # Variance of the residuals, which are 1 - r for points in the part, -r in the rest of the whole, and 0 elsewhere.
    squares = part * (1 - ratio) ** 2 + (whole - part) * ratio**2
    means = part - ratio * whole
    variance = (weights**2 / (points - 1)) @ (squares - means**2)
    spread = np.sqrt(np.maximum(variance, 0))
    return Estimate(ratio, np.divide(spread, total, out=np.full_like(total, np.nan), where=total > 0))


# Stratified random samples: how many points each stratum gets, and which pixels they are.

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

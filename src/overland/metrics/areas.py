"""Areas and accuracies of a map from a stratified sample of reference labels, with their standard errors.

The order of work is: how many points (`required_sample_size`), how many in each stratum (`allocate_points`), which
pixels (`draw_stratified`), and once these are labelled the estimates (`area_estimates`).

Source: Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change, Remote Sensing
of Environment 148.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError
from overland.metrics.arrays import Floats, Ints

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

# One point says nothing of the spread within a stratum.
_FEWEST = 2


def required_sample_size(
    weights: Sequence[float], accuracies: Sequence[float], target_se: float, population: float = math.inf
) -> int:
    """Return the number of points that gives a standard error of the overall accuracy.

    Args:
        weights: Fractions of the area that the map classes have; they add up to 1.
        accuracies: The user's accuracy that is expected of each class, 0 to 1.
        target_se: The standard error that is wanted, 0 to 1.
        population: Number of pixels of the map.

    Returns:
        The number of points, rounded up.

    Raises:
        UsageError: A number is no accuracy.

    Source: Olofsson et al. 2014, equation 13; with the correction for a finite population of Cochran 1977.
    """
    if not 0 < target_se < 1 or any(not 0 <= accuracy <= 1 for accuracy in accuracies):
        raise UsageError(f"Accuracies and standard errors are between 0 and 1; got {[*accuracies]} and {target_se:g}.")
    fractions, expected = np.asarray(weights, float), np.asarray(accuracies, float)
    variances = expected * (1 - expected)
    needed: float = (fractions @ np.sqrt(variances)) ** 2 / (target_se**2 + fractions @ variances / population)
    # A hair down, so that rounding in the sum does not ask for one point more.
    return math.ceil(needed - 1e-9)


def allocate_points(points: int, weights: npt.ArrayLike, how: str, *, min_points: int = 50) -> Ints:
    """Distribute points among strata; every stratum gets two at least, so that it has a variance.

    Args:
        points: Number of points in all.
        weights: Fractions of the area that the strata have (n,); those of no area get no points.
        how: "proportional" to the area; "equal"; or "olofsson": small strata get `min_points` each (fewer when there
            are not enough), the rest goes to the others by area.
        min_points: Points of a small stratum with "olofsson".

    Returns:
        The points of each stratum (n,).

    Raises:
        UsageError: The allocation is unknown, or there are too few points.

    Source: Olofsson et al. 2014, section 5.
    """
    if how not in ALLOCATIONS:
        raise UsageError(f"There is no allocation {how!r}; choose one of {', '.join(ALLOCATIONS)}.")
    weights = np.asarray(weights, np.float64)
    present = weights > 0
    if points < _FEWEST * present.sum():
        raise UsageError(f"{points} points are too few for {present.sum()} classes, which need {_FEWEST} each.")
    allocated = np.zeros(len(weights), np.int64)
    sizes = ALLOCATIONS[how](points, weights[present] / weights[present].sum(), min_points)
    # Whole numbers that add up, none below the fewest, by the largest remainder.
    whole = np.maximum(np.floor(sizes + 1e-9), _FEWEST).astype(np.int64)
    while (missing := points - int(whole.sum())) != 0:
        gap = sizes - whole
        gap[whole <= _FEWEST] = np.where(missing < 0, np.inf, gap[whole <= _FEWEST])
        whole[np.argmax(gap) if missing > 0 else np.argmin(gap)] += np.sign(missing)
    allocated[present] = whole
    return allocated


def _olofsson(points: int, weights: Floats, min_points: int) -> Floats:
    floor = min(min_points, points / len(weights))
    small = np.zeros(len(weights), bool)
    while True:
        left = points - floor * small.sum()
        sizes = np.where(small, floor, left * weights / max(weights[~small].sum(), 1e-300))
        # What goes to a small class is taken from the others, which may make another one small.
        if not (sizes[~small] < floor).any():
            return sizes
        small |= sizes < floor


ALLOCATIONS: dict[str, Callable[[int, Floats, int], Floats]] = {
    "proportional": lambda points, weights, min_points: points * weights,
    "equal": lambda points, weights, min_points: np.full(len(weights), points / len(weights)),
    "olofsson": _olofsson,
}
"""The allocations of `allocate_points`: functions of points, weights and the fewest points of a rare stratum."""


@dataclass(frozen=True)
class StrataBlock:
    """A block of a raster of strata.

    Attributes:
        strata: Ids of strata (height, width), 8 bits.
        areas: The area of a pixel of each row (height,), in any unit.
        row_off: Row of its upper left pixel.
        col_off: Column of its upper left pixel.
    """

    strata: npt.NDArray[np.uint8]
    areas: Floats
    row_off: int
    col_off: int


@dataclass(frozen=True)
class Drawn:
    """Pixels that were drawn, in random order.

    Attributes:
        strata: The stratum of each (n,).
        rows: The row of each (n,).
        cols: The column of each (n,).
    """

    strata: Ints
    rows: Ints
    cols: Ints


def draw_stratified(blocks: Iterable[StrataBlock], sizes: npt.ArrayLike, seed: int) -> Drawn:
    """Draw pixels of each stratum at random, without replacement, as the blocks of a raster stream by.

    Within a stratum a pixel is drawn with a chance in proportion to its area, so that means over points are means over
    area also where pixels get smaller towards the pole. The same blocks and seed give the same points.

    Args:
        blocks: The blocks, which cover the raster without overlap.
        sizes: Points of each stratum (n,), such as `allocate_points` gives. A stratum with fewer pixels gives all.
        seed: Seed of the draw, 0 or more.

    Returns:
        The pixels.

    Source: Efraimidis and Spirakis 2006, Weighted random sampling with a reservoir, Information Processing Letters 97
        (A-Res).
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
        kept = np.hstack([kept, np.array(found, np.float64)])
        # The smallest keys of each stratum stay; the largest of these is the bound for the next blocks.
        kept = kept[:, np.lexsort((kept[1], kept[0]))]
        strata = kept[0].astype(np.int64)
        rank = np.arange(len(strata)) - np.searchsorted(strata, strata)
        last = rank == quota[strata] - 1
        bounds = np.where(quota > 0, np.inf, 0.0)
        bounds[strata[last]] = kept[1, last]
        kept = kept[:, rank < quota[strata]]
    kept = kept[:, np.random.default_rng(seed).permutation(kept.shape[1])]
    strata, _, rows, cols = kept.astype(np.int64)
    return Drawn(strata, rows, cols)


@dataclass(frozen=True)
class Estimate:
    """Estimates and their standard errors, one for each class; NaN where the sample says nothing.

    Attributes:
        value: The estimates (n,).
        se: Their standard errors (n,).
    """

    value: Floats
    se: Floats

    def margin(self, confidence: float = 0.95) -> Floats:
        """Return half the width of the confidence interval (n,), by the normal distribution.

        Args:
            confidence: The probability that the interval holds the true value, between 0 and 1.
        """
        return z_value(confidence) * self.se


@dataclass(frozen=True)
class AreaEstimates:
    """Areas and accuracies of a map, as fractions of its area.

    Attributes:
        proportions: The error matrix (map classes, reference classes), as fractions of the area.
        area: Fraction of the area that each class has by the reference.
        users: User's accuracy of each class: the fraction of its mapped area that is right.
        producers: Producer's accuracy of each class: the fraction of its true area that is mapped.
        overall: Overall accuracy, one element.
    """

    proportions: Floats
    area: Estimate
    users: Estimate
    producers: Estimate
    overall: Estimate


def area_estimates(counts: npt.ArrayLike, weights: npt.ArrayLike) -> AreaEstimates:
    """Estimate areas and accuracies from points that were drawn at random within strata.

    Args:
        counts: Number of points (strata, map classes, reference classes); `counts_by_stratum` makes it of an error
            matrix whose map classes are the strata.
        weights: Fractions of the area that the strata have (strata,).

    Returns:
        The estimates with their standard errors.

    Raises:
        DataError: A stratum has fewer than two points, which leaves its variance unknown.

    Source: Stehman 2014, International Journal of Remote Sensing 35(13), without the finite-population correction;
        where the map classes are the strata, his ratio estimators become the formulas of Olofsson et al. 2014.
    """
    counts, weights = np.asarray(counts, np.int64), np.asarray(weights, np.float64)
    points = counts.sum(axis=(1, 2))
    used = (weights > 0) | (points > 0)
    if (points[used] < 2).any():
        raise DataError(f"Stratum {int(np.flatnonzero(used & (points < 2))[0])} has fewer than 2 points; draw more.")
    points = points[used]
    area_fractions = weights[used] / weights[used].sum()
    fractions = counts[used] / points[:, None, None]
    correct = np.diagonal(fractions, axis1=1, axis2=2)
    mapped, found = fractions.sum(axis=2), fractions.sum(axis=1)
    ones = np.ones_like(found)
    return AreaEstimates(
        proportions=np.asarray(np.tensordot(area_fractions, fractions, axes=1)),
        area=_ratio(found, ones, points, area_fractions),
        users=_ratio(correct, mapped, points, area_fractions),
        producers=_ratio(correct, found, points, area_fractions),
        overall=_ratio(correct.sum(axis=1, keepdims=True), ones[:, :1], points, area_fractions),
    )


def counts_by_stratum(matrix: npt.ArrayLike) -> Ints:
    """Turn an error matrix whose map classes are the strata into counts by stratum.

    Args:
        matrix: Number of points (map classes, reference classes).

    Returns:
        Number of points (strata, map classes, reference classes).
    """
    matrix = np.asarray(matrix, np.int64)
    counts = np.zeros((len(matrix), *matrix.shape), np.int64)
    index = np.arange(len(matrix))
    counts[index, index] = matrix
    return counts


def _ratio(part: Floats, whole: Floats, points: Ints, weights: Floats) -> Estimate:
    """Return the combined ratio of two means over strata (strata, classes); every point in `part` is in `whole`."""
    total = weights @ whole
    ratio = np.divide(weights @ part, total, out=np.full_like(total, np.nan), where=total > 0)
    # Variance of the residuals, which are 1 - r for points in the part, -r in the rest of the whole, and 0 elsewhere.
    squares = part * (1 - ratio) ** 2 + (whole - part) * ratio**2
    means = part - ratio * whole
    variance = (weights**2 / (points - 1)) @ (squares - means**2)
    spread = np.sqrt(np.maximum(variance, 0))
    return Estimate(ratio, np.divide(spread, total, out=np.full_like(total, np.nan), where=total > 0))


def z_value(confidence: float) -> float:
    """Return how many standard errors half a two-sided confidence interval has.

    Args:
        confidence: The probability that the interval holds the true value, between 0 and 1.

    Returns:
        The number by the normal distribution, 1.96 for 0.95.

    Raises:
        UsageError: The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence is a fraction between 0 and 1, such as 0.95; got {confidence:g}.")
    return NormalDist().inv_cdf((1 + confidence) / 2)

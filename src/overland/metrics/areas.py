"""Areas and accuracies of a map from a stratified sample of reference labels, with their standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError

__all__ = ["AreaEstimates", "Estimate", "area_estimates", "counts_by_stratum", "required_sample_size", "z_value"]

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

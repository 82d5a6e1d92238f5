"""Losses of whole areas: Dice, Tversky and focal Tversky.

Each sums over the whole batch before it divides, so that a chip without road does not turn into a ratio of noise to
noise; then it takes the mean over the classes that occur in the batch. With one output it looks at class 1 alone.
"""

from __future__ import annotations

from torch import Tensor

from overland.errors import UsageError
from overland.models.losses.labelled import LabelledBatch

__all__ = ["dice", "focal_tversky", "smoothed_ratio", "tversky"]

_AREA = (0, 2, 3)
_LEAST_MISS = 1e-7


def dice(batch: LabelledBatch, *, smooth: float = 1.0) -> Tensor:
    """1 - (2 S(p t) + smooth) / (S(p) + S(t) + smooth), with scores p, truth t and S their sum over the batch.

    A `smooth` of 1 pixel keeps batches with little road calm; one published system has 1e-6.
    Source: Milletari et al. 2016, with plain sums in the denominator.
    """
    overlap = (batch.scores * batch.truth).sum(_AREA)
    total = batch.scores.sum(_AREA) + batch.truth.sum(_AREA)
    return batch.mean_over_classes(1 - smoothed_ratio(2 * overlap, total, smooth))


def tversky(batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, smooth: float = 1.0) -> Tensor:
    """1 - TI, where TI = (hits + smooth) / (hits + alpha * misses + beta * false alarms + smooth).

    `alpha` weighs misses (false negatives) and `beta` false alarms (false positives), as in Abraham and Khan; without
    one it is 1 - alpha. Salehi et al. 2017, who proposed the index, have the letters the other way round. 0.5 and 0.5
    are Dice with twice the smooth. Raises `UsageError` for an alpha above 1 without a beta.
    """
    return batch.mean_over_classes(_tversky_losses(batch, alpha, beta, smooth))


def focal_tversky(
    batch: LabelledBatch, *, alpha: float = 0.7, beta: float | None = None, gamma: float = 0.75, smooth: float = 1.0
) -> Tensor:
    """(1 - TI)^gamma for each class, with the Tversky index TI, `alpha` and `beta` of `tversky`.

    `gamma` is the exponent itself: a paper's 1/gamma with gamma 4/3 is 0.75 here. Below 1 it keeps the gradient of
    classes that are nearly right. Source: Abraham and Khan 2018, eq. 4, with the mean over classes for the sum.
    """
    # A perfect class would have an infinite derivative under a power below 1.
    losses = _tversky_losses(batch, alpha, beta, smooth).clamp_min(_LEAST_MISS)
    return batch.mean_over_classes(losses**gamma)


def smoothed_ratio(part: Tensor, whole: Tensor, smooth: float) -> Tensor:
    """(part + smooth) / (whole + smooth). Raises `UsageError` unless `smooth` is above 0."""
    if smooth <= 0:
        raise UsageError(f"smooth keeps an empty class from dividing 0 by 0, so it is above 0; got {smooth}. Try 1e-6.")
    return (part + smooth) / (whole + smooth)


def _tversky_losses(batch: LabelledBatch, alpha: float, beta: float | None, smooth: float) -> Tensor:
    if beta is None:
        if alpha > 1:
            raise UsageError(
                f"alpha is {alpha} and beta, which is 1 - alpha unless given, would be negative. Give both."
            )
        beta = 1 - alpha
    hits = (batch.scores * batch.truth).sum(_AREA)
    misses = batch.truth.sum(_AREA) - hits
    false_alarms = batch.scores.sum(_AREA) - hits
    return 1 - smoothed_ratio(hits, hits + alpha * misses + beta * false_alarms, smooth)

"""How far a score could have come out otherwise with other images of the same kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from overland.metrics.confusion import Confusion

__all__ = ["bootstrap_interval"]


def bootstrap_interval(
    confusions: Confusion,
    statistic: Callable[[Confusion], float],
    *,
    rounds: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a pooled score, from drawing whole images again with replacement.

    `confusions` is (images, classes, classes); `statistic` takes the sum over the drawn images. Pixels of one image
    are alike, so images are what is drawn. NaN with fewer than two images.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    count = len(confusions)
    if count < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(count, np.full(count, 1 / count), size=rounds)
    sums = np.tensordot(times_drawn, confusions, axes=1)
    values = np.array([statistic(confusion) for confusion in sums])
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

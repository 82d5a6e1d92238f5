"""Soft centreline Dice: a loss that looks at the middle of roads, and so at whether they hang together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from overland.models.losses.labelled import LabelledBatch
from overland.models.losses.overlap import smoothed_ratio

__all__ = ["cldice"]

_AREA = (0, 2, 3)


def cldice(batch: LabelledBatch, *, iterations: int = 3, smooth: float = 1.0) -> Tensor:
    """1 - the harmonic mean of how much of the predicted centreline is road, and of the true one is found.

    `iterations` is the half-width in pixels of the widest road whose middle is found. The edge of the labelled area
    is like the edge of the image. Best beside Dice with a weight of 0.3 to 0.5.
    Source: Shit et al. 2021, algorithms 1 and 2.
    """
    found, true = batch.scores, batch.truth
    unknown = ~batch.known[:, None]
    found_line, true_line = (_soft_skeleton(image, unknown, iterations) for image in (found, true))
    precision = smoothed_ratio((found_line * true).sum(_AREA), found_line.sum(_AREA), smooth)
    sensitivity = smoothed_ratio((true_line * found).sum(_AREA), true_line.sum(_AREA), smooth)
    return batch.mean_over_classes(1 - 2 * precision * sensitivity / (precision + sensitivity))


def _soft_skeleton(image: Tensor, unknown: Tensor, iterations: int) -> Tensor:
    skeleton = torch.zeros_like(image)
    for _ in range(iterations + 1):
        eroded = _soft_erode(image, unknown)
        ridge = torch.relu(image - _soft_dilate(eroded, unknown))
        skeleton = skeleton + torch.relu(ridge - skeleton * ridge)
        image = eroded
    return skeleton.masked_fill(unknown, 0.0)


# What has no label is neither the smallest of its neighbours in eroding nor the largest in dilating.
def _soft_erode(image: Tensor, unknown: Tensor) -> Tensor:
    inverse = -image.masked_fill(unknown, 1.0)
    above_and_below = F.max_pool2d(inverse, (3, 1), stride=1, padding=(1, 0))
    beside = F.max_pool2d(inverse, (1, 3), stride=1, padding=(0, 1))
    return -torch.maximum(above_and_below, beside)


def _soft_dilate(image: Tensor, unknown: Tensor) -> Tensor:
    return F.max_pool2d(image.masked_fill(unknown, 0.0), 3, stride=1, padding=1)

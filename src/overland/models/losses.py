"""Losses that leave ignored pixels out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["segmentation_loss", "soft_dice_loss"]

_SMOOTH = 1.0


def segmentation_loss(
    logits: Tensor,
    target: Tensor,
    *,
    ignore_index: int = 255,
    dice_weight: float = 1.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross entropy plus batch Dice.

    One channel of logits (n, 1, h, w) is binary: class 1 against class 0. More channels (n, classes, h, w) are a
    choice among classes. `target` (n, h, w) holds ids; pixels with `ignore_index` count nowhere. `class_weights`
    (classes,) weigh the cross entropy. A batch without any label gives 0.
    """
    known = target != ignore_index
    if not known.any():
        return logits.sum() * 0.0
    if logits.shape[1] == 1:
        entropy = _binary_entropy(logits[:, 0], target, known, class_weights)
        scores = torch.sigmoid(logits)
        truth = (target == 1)[:, None]
    else:
        weights = None if class_weights is None else class_weights.to(logits.dtype)
        entropy = F.cross_entropy(logits, target, weight=weights, ignore_index=ignore_index)
        scores = torch.softmax(logits, dim=1)
        truth = torch.movedim(F.one_hot(target.masked_fill(~known, 0), logits.shape[1]), -1, 1).bool()
    if dice_weight == 0:
        return entropy
    return entropy + dice_weight * soft_dice_loss(scores, truth, known)


def soft_dice_loss(scores: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """1 - Dice over the whole batch, mean over the classes that occur in it (Milletari et al. 2016).

    `scores` and `truth` (n, classes, h, w), `known` (n, h, w). Over the batch rather than per image, so that a chip
    without road does not turn into a division of noise by noise.
    """
    known = known[:, None].to(scores.dtype)
    truth = truth.to(scores.dtype) * known
    scores = scores * known
    axes = (0, 2, 3)
    overlap = (scores * truth).sum(axes)
    total = scores.sum(axes) + truth.sum(axes)
    dice = (2 * overlap + _SMOOTH) / (total + _SMOOTH)
    occurs = truth.sum(axes) > 0
    return 1 - (dice[occurs].mean() if occurs.any() else dice.mean())


def _binary_entropy(logits: Tensor, target: Tensor, known: Tensor, class_weights: Tensor | None) -> Tensor:
    truth = (target == 1).to(logits.dtype)
    weights = known.to(logits.dtype)
    if class_weights is not None:
        weights = weights * torch.where(target == 1, class_weights[1], class_weights[0])
    entropy = F.binary_cross_entropy_with_logits(logits, truth, weight=weights, reduction="sum")
    return entropy / weights.sum().clamp_min(1e-6)

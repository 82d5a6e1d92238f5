"""Losses of single pixels: cross entropy and focal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from overland.errors import UsageError
from overland.models.losses.labelled import LabelledBatch

__all__ = ["cross_entropy", "focal"]

_LEAST_WEIGHT = 1e-6
_LEAST_DOUBT = 1e-12


def cross_entropy(batch: LabelledBatch, *, class_weights: bool | None = None) -> Tensor:
    """Mean of -log of the true class's score; with a single output this is binary cross entropy.

    A weighted mean where the batch has class weights: the weights of a batch add up to 1, as in PyTorch.
    `class_weights` true insists on them, false does without. Raises `UsageError` when they are missing.
    """
    if class_weights and batch.class_weights is None:
        raise UsageError("cross_entropy with class_weights: true needs the weights of the classes; none were given.")
    weights = batch.known.to(batch.logits.dtype)
    if batch.class_weights is not None and class_weights is not False:
        weights = weights * batch.class_weights.to(weights.dtype)[batch.target]
    return (weights * _entropies(batch)).sum() / weights.sum().clamp_min(_LEAST_WEIGHT)


def focal(batch: LabelledBatch, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """Mean of -(1 - p)^gamma log p, p the true class's score, so that pixels which are clear count little.

    `alpha`, with a single output only, weighs class 1 by alpha and class 0 by 1 - alpha. Raises `UsageError` for an
    alpha above 1 or beside several outputs. Source: Lin et al. 2017, eq. 4 and 5, here with the mean over pixels.
    """
    if alpha is not None and not (batch.is_binary and alpha <= 1):
        raise UsageError(
            f"focal's alpha weighs class 1 against class 0, so it is within 0..1 and needs a model of one output; "
            f"got {alpha} for {batch.logits.shape[1]}. For several classes leave it out."
        )
    entropies = _entropies(batch)
    # A score of exactly 1 would have an infinite derivative under a power below 1.
    doubt = (-torch.expm1(-entropies)).clamp_min(_LEAST_DOUBT)
    losses = doubt**gamma * entropies * batch.known
    if alpha is not None:
        losses = losses * torch.where(batch.target == 1, alpha, 1 - alpha)
    return losses.sum() / batch.known.sum().clamp_min(1)


def _entropies(batch: LabelledBatch) -> Tensor:
    if batch.is_binary:
        return F.binary_cross_entropy_with_logits(batch.logits[:, 0], batch.truth[:, 0], reduction="none")
    return F.cross_entropy(batch.logits, batch.target, reduction="none")

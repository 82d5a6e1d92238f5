"""The Lovász losses: the IoU itself, extended to scores so that it has a gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from overland.models.losses.labelled import LabelledBatch

__all__ = ["lovasz"]


def lovasz(batch: LabelledBatch) -> Tensor:
    """Lovász-softmax, mean over the classes that occur in the batch; the Lovász hinge of class 1 with one output.

    Errors of all labelled pixels of the batch are sorted together, not image by image. Best as a small part of a sum
    whose larger part is cross entropy. Source: Berman et al. 2018, algorithm 1, eq. 9 and 11.
    """
    truth = batch.truth.movedim(1, -1)[batch.known]
    if batch.is_binary:
        logits = batch.logits.movedim(1, -1)[batch.known]
        return _extension(torch.relu(1 - logits * (2 * truth - 1)), truth).mean()
    scores = batch.scores.movedim(1, -1)[batch.known]
    occurs = truth.sum(0) > 0
    truth, scores = truth[:, occurs], scores[:, occurs]
    return _extension((truth - scores).abs(), truth).mean()


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss at errors (pixels, classes): one value for each class."""
    errors, order = torch.sort(errors, dim=0, descending=True)
    losses = _jaccard_losses(torch.gather(truth, 0, order))
    steps = torch.cat([losses[:1], losses[1:] - losses[:-1]])
    return (errors * steps).sum(0)


def _jaccard_losses(truth: Tensor) -> Tensor:
    """1 - IoU when the first pixel is wrong, the first two, the first three, ... (pixels, classes)."""
    # Whole numbers, since float32 cannot count beyond 16.7 million pixels.
    positive = truth.long()
    total = positive.sum(0)
    intersection = total - positive.cumsum(0)
    union = total + (1 - positive).cumsum(0)
    return 1 - intersection.to(truth.dtype) / union.to(truth.dtype)

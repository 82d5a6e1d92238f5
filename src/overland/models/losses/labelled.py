"""Logits beside labels, with the pixels that have no label taken out: what every loss is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["LabelledBatch", "labelled_batch"]


@dataclass(frozen=True)
class LabelledBatch:
    """A batch in which pixels without a label have logits, scores and truth of 0.

    `logits` (n, k, h, w) in float32 or wider: k is 1 for class 1 against class 0, else the number of classes.
    `target` (n, h, w) int64 ids, 0 where there is no label. `known` (n, h, w) bool. `class_weights` (classes,) or None.
    """

    logits: Tensor
    target: Tensor
    known: Tensor
    class_weights: Tensor | None = None

    @property
    def is_binary(self) -> bool:
        """Whether one channel decides between class 1 and class 0."""
        return self.logits.shape[1] == 1

    @cached_property
    def scores(self) -> Tensor:
        """Sigmoid or softmax (n, k, h, w)."""
        scores = torch.sigmoid(self.logits) if self.is_binary else torch.softmax(self.logits, dim=1)
        return scores * self.known[:, None]

    @cached_property
    def truth(self) -> Tensor:
        """1 where a pixel is of the class, else 0 (n, k, h, w)."""
        if self.is_binary:
            return self.target[:, None].to(self.logits.dtype)
        one_hot = torch.movedim(F.one_hot(self.target, self.logits.shape[1]), -1, 1)
        return one_hot.to(self.logits.dtype) * self.known[:, None]

    def mean_over_classes(self, losses: Tensor) -> Tensor:
        """Mean of one loss for each class (k,) over the classes that occur in the batch; over all when none does."""
        occurs = self.truth.sum((0, 2, 3)) > 0
        return losses[occurs].mean() if occurs.any() else losses.mean()


def labelled_batch(
    logits: Tensor, target: Tensor, ignore_index: int, class_weights: Tensor | None = None
) -> LabelledBatch:
    """Take out of `logits` (n, k, h, w) and `target` (n, h, w) what has the id `ignore_index`."""
    known = target != ignore_index
    # Half precision overflows in sums over an image.
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    ids = (target == 1).long() if logits.shape[1] == 1 else target.long().masked_fill(~known, 0)
    return LabelledBatch(wide.masked_fill(~known[:, None], 0.0), ids, known, class_weights)

"""Whole images through a network of one size, as published systems have it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Squashed"]


class Squashed(nn.Module):
    """Resizes every image to `side` x `side` before a network, and its logits back to the image's size.

    Detail is lost and shapes are distorted: a map at a quarter of the resolution cannot have a road IoU above 0.84,
    however good the network. Kept to train the published systems as they are. Bilinear, without a filter against
    aliasing; the image by its nearest pixels with `nearest`.
    """

    size_divisor = 1

    def __init__(self, network: nn.Module, side: int, *, nearest: bool = False) -> None:
        super().__init__()
        self.network = network
        self._side = side
        self._nearest = nearest

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, height, width) of scaled images (batch, in_channels, height, width) of any size."""
        size = (self._side, self._side)
        if self._nearest:
            squashed = F.interpolate(image, size)
        else:
            squashed = F.interpolate(image, size, mode="bilinear", align_corners=False)
        logits: Tensor = self.network(squashed)
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)

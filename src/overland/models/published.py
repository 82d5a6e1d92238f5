"""Pyramid pooling that a graph can hold for inputs of any size."""

from __future__ import annotations

import importlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AnySizePool", "PyramidBlock", "make_pools_exportable"]


class AnySizePool(nn.Module):
    """Adaptive average pooling to `side` x `side` as two matrix products, equal to `nn.AdaptiveAvgPool2d`.

    ONNX has no such operator unless the size of the input is fixed and a multiple of `side`.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        """Means (n, c, side, side) of features (n, c, h, w)."""
        rows = self._shares(features.shape[-2], features)
        cols = self._shares(features.shape[-1], features)
        return rows @ features @ cols.transpose(0, 1)

    def _shares(self, length: int, features: Tensor) -> Tensor:
        """Weights (side, length) of each pixel in each mean; neighbouring means may share a pixel."""
        cell = torch.arange(self.side, device=features.device)[:, None]
        pixel = torch.arange(length, device=features.device)[None]
        inside = ((pixel + 1) * self.side > cell * length) & (pixel * self.side < (cell + 1) * length)
        weights = inside.to(features.dtype)
        return weights / weights.sum(dim=1, keepdim=True)


class PyramidBlock(nn.Module):
    """A block of smp's PSPNet with the same weights and answer; smp's own takes another path when it is exported."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """Pooled features (n, c, h, w), back at the size of the input."""
        return F.interpolate(self.pool(features), features.shape[-2:], mode="bilinear", align_corners=True)


def make_pools_exportable(network: nn.Module) -> None:
    """Replace the pyramid pooling of a network of smp by one that exports; names of weights and answers stay."""
    psp_block = importlib.import_module("segmentation_models_pytorch.decoders.pspnet.decoder").PSPBlock
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, psp_block):
                setattr(module, name, PyramidBlock(child.pool))
            elif (_side(child) or 1) > 1:
                setattr(module, name, AnySizePool(_side(child) or 1))


def _side(module: nn.Module) -> int | None:
    if not isinstance(module, nn.AdaptiveAvgPool2d):
        return None
    size = module.output_size
    if isinstance(size, tuple):
        return size[0] if len(set(size)) == 1 else None
    return size

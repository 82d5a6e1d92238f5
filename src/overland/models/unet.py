"""A plain U-Net of any width and depth, small enough to train on a laptop."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from overland.errors import UsageError

__all__ = ["PlainUnet"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}


class PlainUnet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with padded convolutions, so that the output has the size of the input.

    `width` is the number of channels at full resolution, doubled at each of `depth` levels. With `stem_stride` 2 the
    network works at half resolution and brings its logits back with one learned upsampling: four times faster,
    at some cost on objects a few pixels wide. Sides of the input must be multiples of `size_divisor`.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        width: int = 32,
        depth: int = 4,
        stem_stride: int = 1,
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stem_stride not in (1, 2):
            raise UsageError(f"stem_stride is 1 or 2; got {stem_stride}.")
        widths = [width * 2**level for level in range(depth + 1)]
        self.size_divisor = stem_stride * 2**depth
        self.stem = _double_conv(in_channels, widths[0], norm, activation, 0.0, stride=stem_stride)
        self.down = nn.ModuleList(
            _double_conv(below, above, norm, activation, dropout) for below, above in pairwise(widths)
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(above, below, 2, stride=2) for above, below in pairwise(reversed(widths))
        )
        self.merge = nn.ModuleList(
            _double_conv(2 * below, below, norm, activation, dropout) for below in reversed(widths[:-1])
        )
        self.head = _head(widths[0], classes, stem_stride)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, height, width) of scaled chips (batch, in_channels, height, width)."""
        features = [self.stem(image)]
        for block in self.down:
            features.append(block(self.pool(features[-1])))
        x = features.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), features.pop()], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _double_conv(
    in_channels: int, out_channels: int, norm: str, activation: str, dropout: float, stride: int = 1
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, step in ((in_channels, stride), (out_channels, 1)):
        layers.append(nn.Conv2d(channels, out_channels, 3, stride=step, padding=1, bias=norm == "none"))
        layers.extend(_norm_layers(norm, out_channels))
        layers.append(_activation_layer(activation))
    if dropout > 0:
        layers.insert(len(layers) // 2, nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _head(width: int, classes: int, stem_stride: int) -> nn.Module:
    if stem_stride == 1:
        return nn.Conv2d(width, classes, 1)
    return nn.Sequential(nn.Conv2d(width, 4 * classes, 1), nn.PixelShuffle(2))


def _norm_layers(norm: str, channels: int) -> list[nn.Module]:
    if norm == "none":
        return []
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    if norm == "group":
        return [nn.GroupNorm(min(8, channels), channels)]
    raise UsageError(f"norm is batch, group or none; got {norm!r}.")


def _activation_layer(activation: str) -> nn.Module:
    if activation not in _ACTIVATIONS:
        raise UsageError(f"activation is one of {', '.join(_ACTIVATIONS)}; got {activation!r}.")
    kind = _ACTIVATIONS[activation]
    return kind(inplace=True)

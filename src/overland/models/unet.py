"""A plain U-Net of any width and depth, small enough to train on a laptop, with the knobs of the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from overland.errors import UsageError
from overland.models.input_stages import input_stage as input_stage_of
from overland.models.layers import double_conv, head, initialize, upsampling

__all__ = ["PlainUnet"]

_STEM_STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2)}


class PlainUnet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with padded convolutions, so that the output has the size of the input.

    `width` is the number of channels at full resolution, doubled at each of `depth` levels. With `stem_stride` 2 the
    network works at half resolution and brings its logits back with one learned upsampling: four times faster,
    at some cost on objects a few pixels wide; 4 suits land cover, which needs to see far. Sides of the input must be
    multiples of `size_divisor`.

    `dropout` is one rate for all levels but the first, or 2 * depth + 1 rates from the first level down and up again.
    `concat` says what comes first, up_skip or skip_up; `head_channels` are 1x1 convolutions before the logits;
    `input_stage` is grey_l2 or nothing. The other knobs are those of `overland.models.layers`.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        width: int = 32,
        depth: int = 4,
        stem_stride: int = 1,
        stem_up: str = "shuffle",
        norm: str = "batch",
        norm_order: str = "before",
        activation: str = "relu",
        second_activation: str | None = None,
        bias: bool | None = None,
        dropout: float | Sequence[float] = 0.0,
        dropout_at: str = "middle",
        up: str = "transpose",
        concat: str = "up_skip",
        head_channels: Sequence[int] = (),
        init: str = "default",
        input_stage: str | None = None,
    ) -> None:
        super().__init__()
        _check(stem_stride, concat)
        widths = [width * 2**level for level in range(depth + 1)]
        drops = _dropout_rates(dropout, depth)
        block = partial(
            double_conv,
            norm=norm,
            norm_order=norm_order,
            activation=activation,
            second_activation=second_activation,
            bias=bias,
            dropout_at=dropout_at,
        )
        self.size_divisor = stem_stride * 2**depth
        self._skip_first = concat == "skip_up"
        self.input_stage, in_channels = input_stage_of(input_stage, in_channels)
        self.stem = block(in_channels, widths[0], dropout=drops[0], strides=_STEM_STRIDES[stem_stride])
        self.down = nn.ModuleList(
            block(below, above, dropout=rate)
            for (below, above), rate in zip(pairwise(widths), drops[1 : depth + 1], strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(upsampling(above, below, up, activation) for above, below in pairwise(reversed(widths)))
        self.merge = nn.ModuleList(
            block(2 * below, below, dropout=rate)
            for below, rate in zip(reversed(widths[:-1]), drops[depth + 1 :], strict=True)
        )
        self.head = head(
            widths[0],
            classes,
            hidden=head_channels,
            activation=activation,
            stem_stride=stem_stride,
            stem_up=stem_up,
        )
        initialize(self, init)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, height, width) of scaled chips (batch, in_channels, height, width)."""
        features = [self.stem(image if self.input_stage is None else self.input_stage(image))]
        for block in self.down:
            features.append(block(self.pool(features[-1])))
        x = features.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            pair = [features.pop(), up(x)]
            x = merge(torch.cat(pair if self._skip_first else pair[::-1], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _check(stem_stride: int, concat: str) -> None:
    if stem_stride not in _STEM_STRIDES:
        raise UsageError(f"stem_stride is 1, 2 or 4; got {stem_stride}.")
    if concat not in ("up_skip", "skip_up"):
        raise UsageError(f"concat is up_skip or skip_up; got {concat!r}.")


def _dropout_rates(dropout: float | Sequence[float], depth: int) -> list[float]:
    if isinstance(dropout, int | float):
        return [0.0] + [float(dropout)] * (2 * depth)
    if len(dropout) != 2 * depth + 1:
        raise UsageError(
            f"dropout is one rate or {2 * depth + 1} of them for depth {depth}, down and up again; got {len(dropout)}."
        )
    return [float(rate) for rate in dropout]

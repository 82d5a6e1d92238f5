"""A plain U-Net of any width and depth, small enough to train on a laptop, and the parts that it is made of.

Its options reach from the default network to the published ones: order of normalisation, activations, dropout by level,
the way up, the head, the first weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from overland.errors import UsageError
from overland.models.published import input_stage as input_stage_of
from overland.text import closest_name

__all__ = [
    "PlainUnet",
    "activation_layer",
    "double_conv",
    "head",
    "initialize",
    "upsampling",
]


_T = TypeVar("_T")
_STEM_STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2)}
_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}
_WITH_NUMBER: dict[str, Callable[[float], nn.Module]] = {
    "leaky_relu": lambda slope: nn.LeakyReLU(slope, inplace=True),
    "clipped_relu": lambda top: nn.Hardtanh(0.0, top),
}
_INITS: dict[str, Callable[..., object]] = {
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "glorot_uniform": nn.init.xavier_uniform_,
}


def double_conv(
    in_channels: int,
    out_channels: int,
    *,
    norm: str,
    activation: str,
    second_activation: str | None = None,
    norm_order: str = "before",
    bias: bool | None = None,
    dropout: float = 0.0,
    dropout_at: str = "middle",
    strides: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """Make two 3x3 convolutions, each with its normalisation and activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        norm: batch, group or none.
        activation: Name of the activation, see `activation_layer`.
        second_activation: Activation of the second convolution; that of the first by default.
        norm_order: Normalise before or after the activation.
        bias: Whether the convolutions have a bias; by default where no normalisation has one.
        dropout: Rate of the dropout; 0 for none.
        dropout_at: middle, between the two convolutions, or end.
        strides: Strides of the two convolutions.

    Raises:
        UsageError: A name is unknown.
    """
    bias = norm == "none" if bias is None else bias
    first = nn.Conv2d(in_channels, out_channels, 3, stride=strides[0], padding=1, bias=bias)
    second = nn.Conv2d(out_channels, out_channels, 3, stride=strides[1], padding=1, bias=bias)
    drop = [nn.Dropout(dropout)] if dropout > 0 else []
    at_end = _choice("dropout_at", dropout_at, {"middle": False, "end": True})
    return nn.Sequential(
        *(first, *_after_conv(norm, norm_order, activation, out_channels)),
        *([] if at_end else drop),
        *(second, *_after_conv(norm, norm_order, second_activation or activation, out_channels)),
        *(drop if at_end else []),
    )


def upsampling(in_channels: int, out_channels: int, kind: str, activation: str) -> nn.Module:
    """Make a layer that doubles the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the result.
        kind: "transpose" is a 2x2 transposed convolution; "resize" repeats pixels, then convolves 2x2 with padding as
            Keras has it for even kernels (right and below), and has an activation.
        activation: Name of the activation.
    """
    if _choice("up", kind, {"transpose": True, "resize": False}):
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(in_channels, out_channels, 2),
        activation_layer(activation),
    )


def head(
    in_channels: int, classes: int, *, hidden: Sequence[int], activation: str, stem_stride: int, stem_up: str
) -> nn.Module:
    """Make the 1x1 convolutions to the logits.

    Args:
        in_channels: Channels of the input.
        classes: Number of logits.
        hidden: Channels of convolutions with an activation that come first.
        activation: Name of the activation.
        stem_stride: Stride of the stem, which is undone here.
        stem_up: "shuffle", one learned value for each pixel, or "bilinear", which has no parameters.
    """
    learned = _choice("stem_up", stem_up, {"shuffle": True, "bilinear": False}) and stem_stride > 1
    layers: list[nn.Module] = []
    for channels in hidden:
        layers += [nn.Conv2d(in_channels, channels, 1), activation_layer(activation)]
        in_channels = channels
    layers.append(nn.Conv2d(in_channels, classes * stem_stride**2 if learned else classes, 1))
    if learned:
        layers.append(nn.PixelShuffle(stem_stride))
    elif stem_stride > 1:
        layers.append(nn.Upsample(scale_factor=stem_stride, mode="bilinear", align_corners=False))
    # A head of one layer is that layer, as bundles have it since the first.
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def activation_layer(name: str) -> nn.Module:
    """Make an activation of its name.

    Args:
        name: relu, elu, silu or leaky_relu; with a number `leaky_relu(0.2)`, its slope, and `clipped_relu(6)`, its top.

    Raises:
        UsageError: There is no such activation; the closest is said.
    """
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name](inplace=True)
    match = re.fullmatch(r"(\w+)\((\d*\.?\d+)\)", name)
    if match is None or match[1] not in _WITH_NUMBER:
        known = [*_ACTIVATIONS, "leaky_relu(SLOPE)", "clipped_relu(TOP)"]
        raise UsageError(f"activation is one of {', '.join(known)}; got {name!r}{closest_name(name, known)}.")
    return _WITH_NUMBER[match[1]](float(match[2]))


def initialize(network: nn.Module, init: str) -> None:
    """Draw the weights of all convolutions anew, with biases of zero.

    Keras draws from glorot_uniform; without normalisation the choice decides whether a deep network learns at all.

    Args:
        network: The network, which is changed.
        init: he_normal or glorot_uniform; "default" leaves PyTorch's.
    """
    if init == "default":
        return
    draw = _choice("init", init, _INITS, extra="default")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _after_conv(norm: str, norm_order: str, activation: str, channels: int) -> list[nn.Module]:
    norms: list[nn.Module] = []
    if norm == "batch":
        norms = [nn.BatchNorm2d(channels)]
    elif norm == "group":
        norms = [nn.GroupNorm(min(8, channels), channels)]
    elif norm != "none":
        raise UsageError(f"norm is batch, group or none; got {norm!r}.")
    act = activation_layer(activation)
    before = _choice("norm_order", norm_order, {"before": True, "after": False})
    return [*norms, act] if before else [act, *norms]


def _choice(option: str, name: str, known: Mapping[str, _T], extra: str = "") -> _T:
    if name not in known:
        names = ", ".join([*known, extra] if extra else known)
        raise UsageError(f"{option} is one of {names}; got {name!r}{closest_name(name, known)}.")
    return known[name]


class PlainUnet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with padded convolutions, so that the output has the size of the input.

    Sides of the input must be multiples of `size_divisor`.

    Args:
        in_channels: Number of bands.
        classes: Number of logits.
        width: Channels at full resolution, doubled at each level.
        depth: Number of levels.
        stem_stride: With 2 the network works at half resolution and brings its logits back with one learned upsampling:
            four times faster, at some cost on objects a few pixels wide. 4 suits land cover, which needs to see far.
        stem_up: shuffle or bilinear, see `head`.
        norm: batch, group or none.
        norm_order: Normalise before or after the activation.
        activation: Name of the activation, see `activation_layer`.
        second_activation: Activation of the second convolution of each block.
        bias: Whether the convolutions have a bias; by default where no normalisation has one.
        dropout: One rate for all levels but the first, or 2 * depth + 1 rates from the first level down and up again.
        dropout_at: middle or end of each block.
        up: transpose or resize, see `upsampling`.
        concat: up_skip or skip_up, the order in which the way up and the skip connection are joined.
        head_channels: Channels of 1x1 convolutions before the logits.
        init: First weights, see `initialize`.
        input_stage: grey_l2 or None, see `overland.models.published.input_stage`.
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
        if stem_stride not in _STEM_STRIDES:
            raise UsageError(f"stem_stride is 1, 2 or 4; got {stem_stride}.")
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
        self._skip_first = _choice("concat", concat, {"up_skip": False, "skip_up": True})
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
        """Return the logits (n, classes, h, w).

        Args:
            image: Scaled chips (n, in_channels, h, w).
        """
        features = [self.stem(image if self.input_stage is None else self.input_stage(image))]
        for block in self.down:
            features.append(block(self.pool(features[-1])))
        x = features.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            pair = [features.pop(), up(x)]
            x = merge(torch.cat(pair if self._skip_first else pair[::-1], dim=1))
        logits: Tensor = self.head(x)
        return logits


def _dropout_rates(dropout: float | Sequence[float], depth: int) -> list[float]:
    if isinstance(dropout, int | float):
        return [0.0] + [float(dropout)] * (2 * depth)
    if len(dropout) != 2 * depth + 1:
        raise UsageError(
            f"dropout is one rate or {2 * depth + 1} of them for depth {depth}, down and up again; got {len(dropout)}."
        )
    return [float(rate) for rate in dropout]

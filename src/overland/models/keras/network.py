"""A network that is a list of Keras's layers, each a PyTorch module on (n, channels, h, w) padded as in TensorFlow.

Each layer has the names of those whose results it takes; everything in the list is plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overland.errors import UsageError
from overland.models.keras.activations import Activation
from overland.models.keras.sizes import Padding, plan_sizes

__all__ = [
    "RESERVED_NAMES",
    "KerasNetwork",
    "build_layer",
]


Paddings = tuple[Padding, Padding]  # rows, cols


def build_layer(layer: Mapping[str, Any], padding: Paddings) -> nn.Module:
    """Build the module of one layer of a `KerasNetwork`.

    Args:
        layer: The layer.
        padding: Padding of rows and columns, before and after; negative is cut off.

    Raises:
        UsageError: There is no layer of that kind.
    """
    kind = layer["kind"]
    if kind not in _BUILDERS:
        raise UsageError(f"There is no layer {kind!r} in a KerasNetwork. There are {', '.join(_BUILDERS)}.")
    return _BUILDERS[kind](layer, padding)


class _Padded(nn.Module):
    """A module behind padding with a value, more on one side than on the other; negative padding cuts off."""

    def __init__(self, padding: Paddings, value: float = 0.0) -> None:
        super().__init__()
        (top, bottom), (left, right) = padding
        self._padding = (left, right, top, bottom)
        self._value = value

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self._padding, value=self._value) if any(self._padding) else x


class _Conv(nn.Conv2d):
    # Padding that is the same on both sides is the convolution's own, which is faster; any other comes before it.
    def __init__(self, layer: Mapping[str, Any], padding: Paddings) -> None:
        is_even = all(before == after for before, after in padding)
        super().__init__(
            layer["in_channels"],
            layer["out_channels"],
            tuple(layer["kernel_size"]),
            stride=tuple(layer["strides"]),
            padding=(padding[0][0], padding[1][0]) if is_even else 0,
            dilation=tuple(layer["dilation_rate"]),
            groups=layer["groups"],
            bias=layer["use_bias"],
        )
        self._before = _Padded(((0, 0), (0, 0)) if is_even else padding)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self._before(x))


class _ConvTranspose(nn.ConvTranspose2d):
    def __init__(self, layer: Mapping[str, Any], padding: Paddings) -> None:
        is_even = all(before == after <= 0 for before, after in padding)
        super().__init__(
            layer["in_channels"],
            layer["out_channels"],
            tuple(layer["kernel_size"]),
            stride=tuple(layer["strides"]),
            padding=(-padding[0][0], -padding[1][0]) if is_even else 0,
            output_padding=(max(padding[0][1], 0), max(padding[1][1], 0)),
            dilation=tuple(layer["dilation_rate"]),
            bias=layer["use_bias"],
        )
        (top, bottom), (left, right) = ((0, 0), (0, 0)) if is_even else padding
        self._after = _Padded(((top, min(bottom, 0)), (left, min(right, 0))))

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        result: Tensor = self._after(super().forward(x, output_size))
        return result


class _AveragePooling(nn.Module):
    """Averages over the pixels of the image only, not over those of the padding."""

    def __init__(self, layer: Mapping[str, Any], padding: Paddings) -> None:
        super().__init__()
        self._before = _Padded(padding)
        self._kernel, self._stride = tuple(layer["kernel_size"]), tuple(layer["strides"])
        self._is_padded = any(any(sides) for sides in padding)

    def forward(self, x: Tensor) -> Tensor:
        if not self._is_padded:
            return F.avg_pool2d(x, self._kernel, self._stride)
        fraction = F.avg_pool2d(self._before(torch.ones_like(x[:1, :1])), self._kernel, self._stride)
        return F.avg_pool2d(self._before(x), self._kernel, self._stride) / fraction


class _Join(nn.Module):
    """Results of several layers put together by one function."""

    def __init__(self, function: Callable[[tuple[Tensor, ...]], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._function(inputs)


class _Pool(nn.Module):
    """One number for each channel, kept as an image of one pixel."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(x, dim=(2, 3), keepdim=True)


class _Rescaling(nn.Module):
    """A factor and an offset, the same for all channels or one for each."""

    scale: Tensor
    offset: Tensor

    def __init__(self, layer: Mapping[str, Any]) -> None:
        super().__init__()
        for name in ("scale", "offset"):
            values = torch.as_tensor(layer[name], dtype=torch.float32).reshape(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset


def _max_pooling(layer: Mapping[str, Any], padding: Paddings) -> nn.Module:
    pool = nn.MaxPool2d(tuple(layer["kernel_size"]), tuple(layer["strides"]))
    return nn.Sequential(_Padded(padding, float("-inf")), pool) if any(map(any, padding)) else pool


def _sum(inputs: tuple[Tensor, ...]) -> Tensor:
    return _fold(torch.add, inputs)


def _fold(function: Callable[[Tensor, Tensor], Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
    result, *others = inputs
    for other in others:
        result = function(result, other)
    return result


_JOINS: dict[str, Callable[[tuple[Tensor, ...]], Tensor]] = {
    "Concatenate": lambda inputs: torch.cat(inputs, dim=1),
    "Add": _sum,
    "Average": lambda inputs: _sum(inputs) / len(inputs),
    "Subtract": lambda inputs: _fold(torch.sub, inputs),
    "Multiply": lambda inputs: _fold(torch.mul, inputs),
    "Maximum": lambda inputs: _fold(torch.maximum, inputs),
    "Minimum": lambda inputs: _fold(torch.minimum, inputs),
}

_BUILDERS: dict[str, Callable[[Mapping[str, Any], Paddings], nn.Module]] = {
    "Conv2D": _Conv,
    "Conv2DTranspose": _ConvTranspose,
    "BatchNormalization": lambda layer, _: nn.BatchNorm2d(
        # Keras's momentum is the fraction of the old statistics, PyTorch's that of the new ones.
        layer["channels"],
        eps=layer["epsilon"],
        momentum=1 - layer["momentum"],
    ),
    "Activation": lambda layer, _: Activation(
        **{name: value for name, value in layer.items() if name not in ("name", "kind", "inputs")}
    ),
    "PReLU": lambda layer, _: nn.PReLU(layer["channels"]),
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _AveragePooling,
    "GlobalAveragePooling2D": lambda *_: _Pool(torch.mean),
    "GlobalMaxPooling2D": lambda *_: _Pool(torch.amax),
    "UpSampling2D": lambda layer, _: nn.Upsample(
        scale_factor=tuple(float(factor) for factor in layer["size"]),
        mode=layer["interpolation"],
        align_corners=None if layer["interpolation"] == "nearest" else False,
    ),
    "Pad2D": lambda _, padding: _Padded(padding),
    "Rescaling": lambda layer, _: _Rescaling(layer),
    "Dropout": lambda layer, _: nn.Dropout(layer["rate"]),
    "SpatialDropout2D": lambda layer, _: nn.Dropout2d(layer["rate"]),
    "Vector": lambda *_: nn.Identity(),
    **{kind: lambda layer, _: _Join(_JOINS[layer["kind"]]) for kind in _JOINS},
}

RESERVED_NAMES = frozenset({"image", "size_divisor", *dir(nn.Module())})
"""Names that no layer can have: that of the input, and what a PyTorch module has already."""


class KerasNetwork(nn.Module):
    """Network of Keras layers, computed as Keras computes them with TensorFlow.

    A list that makes no network raises `UsageError`, one that makes no map `DataError`.

    Args:
        in_channels: Number of bands.
        classes: Number of logits.
        layers: Mappings with a unique `name`, a `kind`, the names of the `inputs` ("image" is that of the network's
            input) and the options of that kind; the last gives the logits. A layer of kind "Shared" uses the weights of
            its `layer` once more. `read_keras_model` writes them.
    """

    def __init__(self, in_channels: int, classes: int, layers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        known = {"image"}
        for layer in layers:
            name = layer["name"]
            if name in known or name in RESERVED_NAMES or "." in name:
                raise UsageError(f"A layer of a KerasNetwork cannot be called {name!r} (again).")
            wanted = {*layer["inputs"], *([layer["layer"]] if layer["kind"] == "Shared" else [])}
            if not layer["inputs"] or not wanted <= known:
                raise UsageError(f"Layer {name!r} of a KerasNetwork takes {sorted(wanted)}, which are not before it.")
            known.add(name)
        if not layers:
            raise UsageError("A KerasNetwork needs at least one layer.")
        # A layer that is used once more has the options of its first use.
        by_name = {layer["name"]: layer for layer in layers}
        own = ("name", "inputs")
        plan = plan_sizes(
            [
                {**by_name[layer["layer"]], **{key: layer[key] for key in own}} if layer["kind"] == "Shared" else layer
                for layer in layers
            ]
        )
        self.size_divisor = plan.divisor
        self._calls = [(layer.get("layer", layer["name"]), layer["name"], tuple(layer["inputs"])) for layer in layers]
        self._last_uses = _last_uses(self._calls)
        for layer in layers:
            name = layer["name"]
            if layer["kind"] != "Shared":
                self.add_module(name, build_layer(layer, plan.padding[name]))
            elif plan.padding[name] != plan.padding[layer["layer"]]:
                raise UsageError(f"Layer {layer['layer']!r} is used at two places with different padding.")

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (n, classes, h, w).

        Args:
            image: Scaled chips (n, in_channels, h, w).
        """
        results = {"image": image}
        for (module, name, inputs), done in zip(self._calls, self._last_uses, strict=True):
            results[name] = self.get_submodule(module)(*(results[source] for source in inputs))
            for source in done:
                del results[source]
        return results[self._calls[-1][1]]


def _last_uses(calls: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[list[str]]:
    """Return for each call the results that no later one takes, so that their memory is free again."""
    seen: set[str] = set()
    last = []
    for _, _, inputs in reversed(calls):
        last.append([source for source in dict.fromkeys(inputs) if source not in seen])
        seen |= set(inputs)
    return last[::-1]

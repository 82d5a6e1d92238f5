"""Sizes of each layer's result, for an image of any size that suits the network, and the divisor of such sizes.

A size is written as `scale * n + offset` with n the side of the image, a multiple of the network's divisor. The padding
that Keras calls "same" depends on the size in general; for such sizes it is always the same, so that it is worked out
once, here, and the network has no arithmetic of sizes in its graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from overland.errors import DataError

__all__ = ["Extent", "Padding", "SizePlan", "plan_sizes"]

_LARGEST_DIVISOR = 4096

Padding = tuple[int, int]  # before and after; negative is cut off


@dataclass(frozen=True)
class Extent:
    """The side of a layer's result.

    Args:
        scale: Factor of the image's side.
        offset: Pixels added.
    """

    scale: Fraction
    offset: int

    def at(self, side: int) -> int:
        """Return the side of the result.

        Args:
            side: Side of the image.
        """
        return int(self.scale * side) + self.offset


@dataclass(frozen=True)
class SizePlan:
    """Sizes that suit a network.

    Args:
        divisor: Number that the image's sides must be multiples of.
        padding: Padding (rows, cols) of each layer by its name.
    """

    divisor: int
    padding: Mapping[str, tuple[Padding, Padding]]


def plan_sizes(layers: Sequence[Mapping[str, Any]]) -> SizePlan:
    """Follow the size of an image through the layers of a `KerasNetwork`.

    The divisor is the product of all strides, made as large as the layers without padding need.

    Args:
        layers: Layers of the network, those used once more with the options of their first use.

    Raises:
        DataError: Results of different sizes meet, or the result has another size than the image.
    """
    rows, row_padding = _follow(layers, 0)
    cols, col_padding = _follow(layers, 1)
    for extent in (rows[-1], cols[-1]):
        if extent.scale == 0:
            raise DataError("The network gives one answer for a whole image, not one for each pixel; it makes no map.")
        if extent.scale != 1 or extent.offset != 0:
            size = f"{extent.scale} of the image's side" if extent.scale != 1 else "the image's side"
            change = f" {'+' if extent.offset > 0 else '-'} {abs(extent.offset)} pixels" if extent.offset else ""
            raise DataError(
                f"The result of the network is not as large as the image: {size}{change}. Add an UpSampling2D or use "
                "padding='same' so that each pixel gets its result."
            )
    divisor = math.lcm(*(extent.scale.denominator for extent in [*rows, *cols]))
    smallest = max(math.ceil((1 - extent.offset) / extent.scale) if extent.scale else 1 for extent in [*rows, *cols])
    divisor *= max(1, -(-smallest // divisor))
    if divisor > _LARGEST_DIVISOR:
        raise DataError(
            f"The network takes images whose sides are multiples of {divisor} only, which is too large to map with. "
            "Does it pool with a window of the size of the image? Use GlobalAveragePooling2D there."
        )
    return SizePlan(divisor, {name: (row_padding[name], col_padding[name]) for name in row_padding})


def _follow(layers: Sequence[Mapping[str, Any]], axis: int) -> tuple[list[Extent], dict[str, Padding]]:
    extents = {"image": Extent(Fraction(1), 0)}
    padding: dict[str, Padding] = {}
    for layer in layers:
        name = layer["name"]
        inputs = [extents[source] for source in layer["inputs"]]
        if layer["kind"] in _RULES:
            extents[name], padding[name] = _RULES[layer["kind"]](layer, inputs, axis)
            continue
        # Any other layer keeps the size, and joins results of one size only.
        sizes = set(inputs)
        if layer["kind"] != "Concatenate" and len(sizes) > 1:
            sizes -= {Extent(Fraction(0), 1)}  # one number for each channel goes with any size
        if len(sizes) != 1:
            raise DataError(
                f"Layer {name!r} joins results of different sizes, for images whose sides suit its strides. "
                "The network works at one size only and cannot map scenes of any size."
            )
        extents[name], padding[name] = sizes.pop(), (0, 0)
    return list(extents.values()), padding


def _strided(layer: Mapping[str, Any], inputs: Sequence[Extent], axis: int) -> tuple[Extent, Padding]:
    (extent,) = inputs
    kernel = (layer["kernel_size"][axis] - 1) * layer.get("dilation_rate", (1, 1))[axis] + 1
    stride = layer["strides"][axis]
    if layer["padding"] == "valid":
        return Extent(extent.scale / stride, (extent.offset - kernel) // stride + 1), (0, 0)
    steps = -(-extent.offset // stride)
    total = max((steps - 1) * stride + kernel - extent.offset, 0)
    return Extent(extent.scale / stride, steps), (total // 2, total - total // 2)


def _transposed(layer: Mapping[str, Any], inputs: Sequence[Extent], axis: int) -> tuple[Extent, Padding]:
    (extent,) = inputs
    kernel = (layer["kernel_size"][axis] - 1) * layer["dilation_rate"][axis] + 1
    stride, is_same = layer["strides"][axis], layer["padding"] == "same"
    extra = layer["output_padding"]
    if extra is not None:
        surplus = stride - extra[axis] - (kernel % 2 if is_same else kernel)
    else:
        surplus = 0 if is_same else -max(kernel - stride, 0)
    # TensorFlow's own: the gradient of the convolution that has this output as its input.
    cut = kernel - stride + surplus
    before = max(cut, 0) // 2 if is_same else 0
    return Extent(extent.scale * stride, extent.offset * stride - surplus), (-before, before - cut)


def _enlarged(layer: Mapping[str, Any], inputs: Sequence[Extent], axis: int) -> tuple[Extent, Padding]:
    (extent,) = inputs
    factor = layer["size"][axis]
    return Extent(extent.scale * factor, extent.offset * factor), (0, 0)


def _padded(layer: Mapping[str, Any], inputs: Sequence[Extent], axis: int) -> tuple[Extent, Padding]:
    (extent,) = inputs
    before, after = layer["pixels"][axis]
    return Extent(extent.scale, extent.offset + before + after), (before, after)


def _pooled(layer: Mapping[str, Any], inputs: Sequence[Extent], axis: int) -> tuple[Extent, Padding]:
    pixel = Extent(Fraction(0), 1)
    if layer["kind"] == "Vector" and list(inputs) != [pixel]:
        raise DataError(f"Layer {layer['name']!r} reshapes a whole image, which is not supported. Leave it out.")
    return pixel, (0, 0)


_Rule = Callable[[Mapping[str, Any], Sequence[Extent], int], tuple[Extent, Padding]]
_RULES: dict[str, _Rule] = {
    "Conv2D": _strided,
    "MaxPooling2D": _strided,
    "AveragePooling2D": _strided,
    "Conv2DTranspose": _transposed,
    "UpSampling2D": _enlarged,
    "Pad2D": _padded,
    "GlobalAveragePooling2D": _pooled,
    "GlobalMaxPooling2D": _pooled,
    "Vector": _pooled,
}

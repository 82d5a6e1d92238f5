"""Parts of published systems: torchvision's FCN, the input stages of two systems, and pooling that ONNX can hold.

Input stages are part of the network, so that its graph carries them.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from overland.errors import UsageError, import_extra
from overland.text import closest_name

__all__ = [
    "AnySizePool",
    "Fcn",
    "FixedSize",
    "GreyL2",
    "PyramidBlock",
    "input_stage",
    "make_pools_exportable",
]

_ENCODERS = ("resnet50", "resnet101")


class Fcn(nn.Module):
    """FCN (Long et al. 2015) on a ResNet dilated to stride 8: scaled chips to logits of the same size.

    Args:
        in_channels: Number of bands.
        classes: Number of logits.
        encoder_name: resnet50 or resnet101; another raises `UsageError`.
        encoder_weights: "imagenet", which is fetched, or None.
    """

    size_divisor = 8

    def __init__(
        self, in_channels: int, classes: int, *, encoder_name: str = "resnet50", encoder_weights: str | None = None
    ) -> None:
        super().__init__()
        if encoder_name not in _ENCODERS:
            known = ", ".join(_ENCODERS)
            raise UsageError(
                f"FCN has the encoders {known}; got {encoder_name!r}{closest_name(encoder_name, _ENCODERS)}."
            )
        segmentation: Any = import_extra("torchvision.models.segmentation", "train", "The architecture FCN")
        builder = getattr(segmentation, f"fcn_{encoder_name}")
        weights = {"imagenet": "IMAGENET1K_V1"}.get(encoder_weights or "", encoder_weights)
        network = builder(weights=None, weights_backbone=weights, num_classes=classes, aux_loss=False)
        self.backbone = network.backbone
        self.classifier = network.classifier
        if in_channels != 3:
            self.backbone.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (n, classes, h, w).

        Args:
            image: Scaled chips (n, in_channels, h, w).
        """
        logits: Tensor = self.classifier(self.backbone(image)["out"])
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)


class GreyL2(nn.Module):
    """Grey (luma of ITU-R BT.601), divided by its L2 norm over the whole image: (n, 3, h, w) to (n, 1, h, w).

    Values depend on the size of the image, about 1 / sqrt(h w); the same pixel differs from chip to chip.
    """

    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return grey images (n, 1, h, w) of norm 1; a black one stays black.

        Args:
            image: Colour images (n, 3, h, w).
        """
        grey = (image * self.luma).sum(dim=1, keepdim=True)
        norm = torch.sqrt((grey * grey).sum(dim=(2, 3), keepdim=True))
        return grey / norm.clamp_min(1e-6)


def input_stage(name: str | None, in_channels: int) -> tuple[nn.Module | None, int]:
    """Make the stage of a name.

    Args:
        name: "grey_l2", or None for no stage.
        in_channels: Number of bands.

    Returns:
        The stage, and the number of channels that it hands on.

    Raises:
        UsageError: There is no such stage, or it does not take that many bands.
    """
    if name is None:
        return None, in_channels
    if name != "grey_l2":
        raise UsageError(f"input_stage is grey_l2 or not given; got {name!r}.")
    if in_channels != 3:
        raise UsageError(f"input_stage grey_l2 makes grey of red, green and blue; the data have {in_channels} bands.")
    return GreyL2(), 1


class FixedSize(nn.Module):
    """A network that gets every image resized to one square, and whose logits are resized back.

    Detail is lost and shapes are distorted: a map at a quarter of the resolution cannot have a road IoU above 0.84,
    however good the network. Kept to train the published systems as they are. Bilinear, without a filter against
    aliasing.

    Args:
        network: The network of scaled images (n, bands, side, side).
        side: Side of the square in pixels.
        nearest: Resize the image by its nearest pixels.
    """

    size_divisor = 1

    def __init__(self, network: nn.Module, side: int, *, nearest: bool = False) -> None:
        super().__init__()
        self.network = network
        self._side = side
        self._nearest = nearest

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (n, classes, h, w).

        Args:
            image: Scaled images (n, in_channels, h, w) of any size.
        """
        size = (self._side, self._side)
        if self._nearest:
            resized = F.interpolate(image, size)
        else:
            resized = F.interpolate(image, size, mode="bilinear", align_corners=False)
        logits: Tensor = self.network(resized)
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)


class AnySizePool(nn.Module):
    """Adaptive average pooling as two matrix products, equal to `nn.AdaptiveAvgPool2d`.

    ONNX has no such operator unless the size of the input is fixed and a multiple of the side.

    Args:
        side: Side of the result.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        """Return the means (n, c, side, side).

        Args:
            features: Features (n, c, h, w).
        """
        rows = self._weights(features.shape[-2], features)
        cols = self._weights(features.shape[-1], features)
        return rows @ features @ cols.transpose(0, 1)

    def _weights(self, length: int, features: Tensor) -> Tensor:
        """Return the weights (side, length) of each pixel in each mean; neighbouring means may share a pixel."""
        cell = torch.arange(self.side, device=features.device)[:, None]
        pixel = torch.arange(length, device=features.device)[None]
        inside = ((pixel + 1) * self.side > cell * length) & (pixel * self.side < (cell + 1) * length)
        weights = inside.to(features.dtype)
        return weights / weights.sum(dim=1, keepdim=True)


class PyramidBlock(nn.Module):
    """A block of smp's PSPNet with the same weights and answer; smp's own takes another path when it is exported.

    Args:
        pool: The pooling and convolution of smp's block.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """Return pooled features (n, c, h, w), back at the size of the input.

        Args:
            features: Features (n, c, h, w).
        """
        return F.interpolate(self.pool(features), features.shape[-2:], mode="bilinear", align_corners=True)


def make_pools_exportable(network: nn.Module) -> None:
    """Replace the pyramid pooling of a network of smp by one that exports; names of weights and answers stay.

    Args:
        network: The network, which is changed.
    """
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

"""The fully convolutional network of torchvision, with logits where it gives a dict."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from overland.config import closest_name
from overland.errors import UsageError, import_extra

__all__ = ["Fcn"]

_ENCODERS = ("resnet50", "resnet101")


class Fcn(nn.Module):
    """FCN (Long et al. 2015) on a ResNet dilated to stride 8: scaled chips to logits of the same size.

    `encoder_weights` "imagenet" are fetched. Raises `UsageError` for an encoder other than resnet50 and resnet101.
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
        """Logits (batch, classes, height, width) of scaled chips (batch, in_channels, height, width)."""
        logits: Tensor = self.classifier(self.backbone(image)["out"])
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)

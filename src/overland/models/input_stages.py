"""What some published systems do to a whole image before the network; part of the network here, so graphs carry it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from overland.errors import UsageError

__all__ = ["GreyL2", "input_stage"]


class GreyL2(nn.Module):
    """Grey (luma of ITU-R BT.601), divided by its L2 norm over the whole image: (n, 3, h, w) to (n, 1, h, w).

    Values depend on the size of the image, about 1 / sqrt(h w); the same pixel differs from chip to chip.
    """

    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Grey images of norm 1; a black one stays black."""
        grey = (image * self.luma).sum(dim=1, keepdim=True)
        norm = torch.sqrt((grey * grey).sum(dim=(2, 3), keepdim=True))
        return grey / norm.clamp_min(1e-6)


def input_stage(name: str | None, in_channels: int) -> tuple[nn.Module | None, int]:
    """The stage of a name and the number of channels that it hands on. Raises `UsageError` where it does not fit."""
    if name is None:
        return None, in_channels
    if name != "grey_l2":
        raise UsageError(f"input_stage is grey_l2 or not given; got {name!r}.")
    if in_channels != 3:
        raise UsageError(f"input_stage grey_l2 makes grey of red, green and blue; the data have {in_channels} bands.")
    return GreyL2(), 1

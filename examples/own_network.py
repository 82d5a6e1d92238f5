"""Train a network of your own: any torch.nn.Module of scaled chips (n, bands, h, w) to logits (n, classes, h, w).

    python examples/own_network.py my-dataset.yaml runs
    overland train --data my-dataset.yaml --model architecture=own_network:Shallow --model width=24

The class is made with `in_channels`, `classes` and the options of `model`. The bundle carries its ONNX graph, so that
it predicts, exports and serves as any other, where this file is not.
"""

from __future__ import annotations

import sys

from torch import Tensor, nn

import overland as ol


class Shallow(nn.Module):
    """Three dilated convolutions; `size_divisor` says which sides of chips suit the network (32 without it)."""

    size_divisor = 1

    def __init__(self, in_channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, classes, 3, padding=4, dilation=4),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return logits of the size of the chips."""
        logits: Tensor = self.layers(image)
        return logits


if __name__ == "__main__":
    data, project, *epochs = sys.argv[1:]
    run = ol.train(data, model=Shallow, project=project, epochs=int(epochs[0]) if epochs else 40)
    print(f"IoU {run.val.headline['value']:.3f}: {run.model}")

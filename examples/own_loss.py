"""Train with a loss of your own: a function or a torch.nn.Module of logits (n, k, h, w) and class ids (n, h, w).

    python examples/own_loss.py my-dataset.yaml runs

On the command line it has a name, found in the present folder or among what is installed:

    overland train --data my-dataset.yaml --loss own_loss:hinge=1 --loss dice=0.5
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

import overland as ol

IGNORED = 255


def hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean hinge loss of class 1 against class 0; ignored pixels have the id 255."""
    sign = torch.where(labels == 1, 1.0, -1.0)
    return torch.relu(1 - sign * logits[:, 0])[labels != IGNORED].mean()


if __name__ == "__main__":
    data, project, *epochs = sys.argv[1:]
    run = ol.train(data, loss={hinge: 1.0, "dice": 0.5}, project=project, epochs=int(epochs[0]) if epochs else 40)
    print(f"IoU {run.val.headline['value']:.3f}: {run.model}")

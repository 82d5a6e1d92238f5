"""Watch a metric of your own in training, and keep the epoch in which it is best.

    python examples/own_metric.py my-dataset.yaml runs
    overland train --data my-dataset.yaml --metrics balance=own_metric:balance --monitor balance

A function of the true and the predicted ids (height, width) is averaged over the validation windows. An object or class
with update(predicted, truth), compute() and reset(), such as those of torchmetrics, is pooled over them.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

import overland as ol

IGNORED = 255


def balance(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> float:
    """Return how well the area of class 1 is hit, from 0 to 1, wherever it lies."""
    known = truth != IGNORED
    areas = sorted((int((truth[known] == 1).sum()), int((predicted[known] == 1).sum())))
    return areas[0] / areas[1] if areas[1] else 1.0


if __name__ == "__main__":
    data, project, *epochs = sys.argv[1:]
    run = ol.train(
        data,
        metrics={"balance": balance},
        monitor="balance",
        project=project,
        epochs=int(epochs[0]) if epochs else 40,
    )
    print(f"IoU {run.val.headline['value']:.3f}: {run.model}")

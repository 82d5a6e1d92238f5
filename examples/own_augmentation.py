"""Train with an augmentation of your own, after the built-in ones: here a dead line of the sensor.

    python examples/own_augmentation.py my-dataset.yaml runs
    overland train --data my-dataset.yaml --augment own_augmentation:dead_line

It gets scaled pixels (height, width, bands), class ids (height, width) and a generator of random numbers that depends
on seed, epoch and chip alone, so that the same seed gives the same run, also after a resume.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

import overland as ol

Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]


def dead_line(pixels: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    """Set one row of every other chip to the mean of its bands, which is 0 after scaling."""
    if rng.random() < 0.5:
        pixels = pixels.copy()
        pixels[rng.integers(len(pixels))] = 0
    return pixels, labels


if __name__ == "__main__":
    data, project, *epochs = sys.argv[1:]
    run = ol.train(data, augment=dead_line, project=project, epochs=int(epochs[0]) if epochs else 40)
    print(f"IoU {run.val.headline['value']:.3f}: {run.model}")

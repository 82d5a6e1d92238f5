"""A bundle scales pixels for its network, and turns the network's logits into a class map.

    pixels as stored  --network_input-->  float32 for the network  --engine-->  logits
    logits  --probabilities_from_logits-->  probabilities  --mask_from_probabilities-->  class ids

The array types of this room have their home here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import UsageError

__all__ = [
    "Mask",
    "Pixels",
    "Probabilities",
    "Valid",
    "confidence_from_probabilities",
    "mask_from_probabilities",
    "network_input",
    "probabilities_from_logits",
    "scale_pixels",
]

Pixels = npt.NDArray[Any]
"""Pixels (bands, height, width) as a scene stores them, of any type."""

Valid = npt.NDArray[np.bool_]
"""True where a pixel (height, width) holds data."""

Probabilities = npt.NDArray[np.float32]
"""Probabilities (outputs, height, width): of class 1 alone for a two-class model, else of each class."""

Mask = npt.NDArray[np.uint8]
"""Class ids (height, width)."""

_CACHED_PIXELS = 1 << 15


def scale_pixels(bundle: ModelBundle, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Scale pixels with the mean and the standard deviation of the training images.

    Args:
        bundle: The model.
        pixels: Pixels (..., bands, height, width) as stored in the scene.

    Returns:
        `(pixels - mean) / std` of the same shape, which is what the network takes.
    """
    mean = np.asarray(bundle.mean, np.float32)[:, None, None]
    inverse = 1 / np.asarray(bundle.std, np.float32)[:, None, None]
    chips: npt.NDArray[np.float32] = pixels.astype(np.float32)
    chips -= mean
    chips *= inverse
    return chips


def network_input(bundle: ModelBundle, pixels: Pixels, valid: Valid) -> npt.NDArray[np.float32]:
    """Scale pixels, and let those without data enter as the mean of their band.

    So neither a fill value such as -9999 nor NaN reaches the network.

    Args:
        bundle: The model.
        pixels: Pixels (bands, height, width) as stored in the scene.
        valid: Where they hold data (height, width).

    Returns:
        Scaled pixels (bands, height, width).
    """
    chip = scale_pixels(bundle, pixels)
    if not valid.all():
        np.copyto(chip, 0, where=~valid)
    return chip


def probabilities_from_logits(bundle: ModelBundle, logits: npt.NDArray[np.float32]) -> Probabilities:
    """Turn logits into probabilities: by a sigmoid for a two-class model, else by a softmax over the classes.

    Args:
        bundle: The model.
        logits: Logits (batch, outputs, height, width).

    Returns:
        Probabilities of the same shape.
    """
    if bundle.activation == "sigmoid":
        # Written with tanh, the logistic function cannot overflow.
        probabilities: Probabilities = np.multiply(logits, np.float32(0.5))
        np.tanh(probabilities, out=probabilities)
        probabilities *= 0.5
        probabilities += 0.5
        return probabilities
    probabilities = np.empty_like(logits)
    for rows in _cached_rows(logits):
        part = probabilities[..., rows, :]
        np.subtract(logits[..., rows, :], logits[..., rows, :].max(axis=-3, keepdims=True), out=part)
        np.exp(part, out=part)
        part *= 1 / part.sum(axis=-3, keepdims=True)
    return probabilities


def mask_from_probabilities(bundle: ModelBundle, probabilities: Probabilities, threshold: float | None = None) -> Mask:
    """Decide the class of each pixel.

    Args:
        bundle: The model.
        probabilities: Probabilities (outputs, height, width).
        threshold: Smallest probability of class 1 in a two-class model, 0 to 1; by default the one that was tuned on
            the validation images.

    Returns:
        Class ids (height, width). Of equal probabilities the first class wins.

    Raises:
        UsageError: A threshold was given for a model that decides by the largest of several probabilities.
    """
    if bundle.num_outputs > 1:
        if threshold is not None:
            raise UsageError(f"A threshold decides between two classes; this model has {bundle.legend.num_classes}.")
        # Several times as fast as argmax over the first axis, which also holds eight bytes for each pixel. As there,
        # the first of equals wins.
        ids = np.zeros(probabilities.shape[1:], np.uint8)
        for rows in _cached_rows(probabilities):
            largest = probabilities[0, rows].copy()
            for index in range(1, len(probabilities)):
                # Ids grow, so that the largest id of those that were larger than all before is the last of them.
                larger = (probabilities[index, rows] > largest).view(np.uint8)
                larger *= np.uint8(index)
                np.maximum(ids[rows], larger, out=ids[rows])
                np.maximum(largest, probabilities[index, rows], out=largest)
        return ids
    limit = threshold if threshold is not None else bundle.threshold if bundle.threshold is not None else 0.5
    return np.asarray(probabilities[0] >= limit, dtype=np.uint8)


def confidence_from_probabilities(probabilities: Probabilities) -> npt.NDArray[np.float32]:
    """Measure how sure a model is of each pixel.

    Source: C. E. Shannon, "A mathematical theory of communication" (1948), for the entropy.

    Args:
        probabilities: Probabilities (outputs, height, width); a single one is that of class 1 of two.

    Returns:
        Two bands (2, height, width): the largest probability, and the entropy as a fraction of the largest that is
        possible (0 is certain, 1 knows nothing).
    """
    if len(probabilities) == 1:
        probabilities = np.concatenate([1 - probabilities, probabilities])
    entropy = np.zeros(probabilities.shape[1:], np.float32)
    for probability in probabilities:
        # The limit of p log p at 0 is 0.
        entropy -= probability * np.log(np.maximum(probability, np.float32(1e-30)))
    return np.stack([probabilities.max(axis=0), entropy / np.float32(np.log(len(probabilities)))])


def _cached_rows(array: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield a few rows at a time, which stay in the processor's cache through several steps."""
    step = max(1, _CACHED_PIXELS // max(1, array.shape[-1]))
    for row in range(0, array.shape[-2], step):
        yield slice(row, row + step)

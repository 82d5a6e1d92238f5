"""Class balance: the fraction of each class in a split, weights for a loss, and classes that do not occur."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from overland.datasets.dataset import Dataset, Sample, read_labels
from overland.datasets.masks import Labels
from overland.errors import UsageError
from overland.legend import Legend
from overland.progress import track

__all__ = ["class_counts", "class_fractions", "fractions_from_counts", "missing_classes", "weights_from_fractions"]


def class_counts(labels: Labels, num_classes: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each class; pixels without a label are left out.

    Args:
        labels: Class ids (height, width).
        num_classes: Number of classes.

    Returns:
        Numbers of pixels (num_classes,).
    """
    return np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.int64)


def fractions_from_counts(legend: Legend, counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the fraction of each class in the labelled pixels.

    Args:
        legend: The classes.
        counts: Pixels of each class (num_classes,).

    Returns:
        Fractions by name; 0 for all where nothing is labelled.
    """
    total = max(int(counts.sum()), 1)
    return {name: int(count) / total for name, count in zip(legend.names, counts, strict=True)}


def weights_from_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each class in a loss: the inverse square root of its fraction.

    The square root helps rare classes without letting them take over.

    Args:
        fractions: Fraction of each class by name.

    Returns:
        Weights by name, with the mean 1; 0 for an absent class.
    """
    roots = {name: fraction**-0.5 if fraction > 0 else 0.0 for name, fraction in fractions.items()}
    present = [root for root in roots.values() if root > 0]
    return {name: root * len(present) / sum(present) if root else 0.0 for name, root in roots.items()}


def class_fractions(dataset: Dataset, split: str) -> dict[str, float]:
    """Read every mask of a split and return the fraction of each class in its labelled pixels.

    Args:
        dataset: The dataset.
        split: The split.

    Returns:
        Fractions by name.

    Raises:
        UsageError: The dataset has no such split.
    """
    counts = np.zeros(dataset.legend.num_classes, np.int64)
    samples = [sample for sample in _samples(dataset, split) if sample.mask is not None]
    with track(f"Reading masks of {split}", len(samples), "masks") as advance:
        for sample in samples:
            counts += class_counts(read_labels(dataset, sample), len(counts))
            advance(1)
    return fractions_from_counts(dataset.legend, counts)


def missing_classes(dataset: Dataset, split: str) -> list[str]:
    """Find the classes that do not occur in a split; stop reading masks as soon as every class was seen.

    Args:
        dataset: The dataset.
        split: The split.

    Returns:
        Their names.

    Raises:
        UsageError: The dataset has no such split.
    """
    missing = set(range(dataset.legend.num_classes))
    for sample in _samples(dataset, split):
        if not missing:
            break
        if sample.mask is not None:
            missing -= set(np.unique(read_labels(dataset, sample)).tolist())
    return [dataset.legend.names[index] for index in sorted(missing)]


def _samples(dataset: Dataset, split: str) -> tuple[Sample, ...]:
    if split not in dataset.splits:
        raise UsageError(f"{dataset.name} has no split {split!r}; it has {', '.join(dataset.splits)}.")
    return dataset.splits[split]

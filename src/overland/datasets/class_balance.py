"""How much of each class a split holds, and which classes it does not hold at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from overland.datasets.dataset import Dataset, Sample, read_labels
from overland.errors import UsageError
from overland.legend import Legend
from overland.progress import track

__all__ = ["class_counts", "class_fractions", "fractions_from_counts", "missing_classes", "weights_from_fractions"]


def class_counts(labels: npt.NDArray[np.uint8], num_classes: int) -> npt.NDArray[np.int64]:
    """Pixels of each class in a labels of ids; pixels without a label are left out."""
    return np.bincount(labels.ravel(), minlength=256)[:num_classes].astype(np.int64)


def fractions_from_counts(legend: Legend, counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Fraction of each class in the labelled pixels, by name; 0 for all where nothing is labelled."""
    total = max(int(counts.sum()), 1)
    return {name: int(count) / total for name, count in zip(legend.names, counts, strict=True)}


def weights_from_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    """Weight of each class in a loss: the inverse square root of its fraction, with the mean 1; 0 for an absent class.

    The square root helps rare classes without letting them take over.
    """
    roots = {name: fraction**-0.5 if fraction > 0 else 0.0 for name, fraction in fractions.items()}
    present = [root for root in roots.values() if root > 0]
    return {name: root * len(present) / sum(present) if root else 0.0 for name, root in roots.items()}


def class_fractions(dataset: Dataset, split: str) -> dict[str, float]:
    """Fraction of each class in the labelled pixels of a split, by name; reads every mask of it.

    Raises `UsageError` for a split that the dataset does not have.
    """
    counts = np.zeros(dataset.legend.num_classes, np.int64)
    samples = [sample for sample in _samples(dataset, split) if sample.mask is not None]
    with track(f"Reading masks of {split}", len(samples), "masks") as advance:
        for sample in samples:
            counts += class_counts(read_labels(dataset, sample), len(counts))
            advance(1)
    return fractions_from_counts(dataset.legend, counts)


def missing_classes(dataset: Dataset, split: str) -> list[str]:
    """Names of the classes that do not occur in a split; stops reading masks as soon as every class was seen.

    Raises `UsageError` for a split that the dataset does not have.
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

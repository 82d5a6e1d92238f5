"""Splitting samples into train and val where the dataset does not: seeded, and never through a scene."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from overland.datasets.dataset import Sample
from overland.errors import UsageError

__all__ = ["split_by_group"]


def split_by_group(
    samples: Sequence[Sample], val_share: float = 0.2, seed: int = 0
) -> tuple[dict[str, tuple[Sample, ...]], str]:
    """Split samples into train and val so that no group is in both, and say how in one line.

    Whole groups are drawn with the seed until `val_share` of the samples is reached; at least one group stays on each
    side. Samples of a single group are split one by one. Raises `UsageError` for a share that is not between 0 and 1.
    """
    if not 0 < val_share < 1:
        raise UsageError(f"val_share is {val_share}; it must lie between 0 and 1, such as 0.2.")
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    by_what = "image" if len(groups) == len(samples) else "scene"
    if len(groups) < 2:
        groups, by_what = {sample.key: [sample] for sample in samples}, "image (all are of one scene)"
    if len(groups) < 2:
        return {"train": tuple(samples)}, "There is one image only: all of it is train, and nothing is left for val."
    val = _drawn(groups, val_share * len(samples), seed)
    parts = {
        "train": tuple(sample for sample in samples if sample.key not in val),
        "val": tuple(sample for sample in samples if sample.key in val),
    }
    counts = f"{len(parts['train'])} train and {len(parts['val'])} val"
    return parts, f"No val split is given: split by {by_what} with seed {seed} into {counts} images."


def _drawn(groups: Mapping[str, Sequence[Sample]], wanted: float, seed: int) -> set[str]:
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    drawn: set[str] = set()
    for name in names:
        # A group that would overshoot by more than what is still lacking is left in train.
        if len(drawn) + len(groups[name]) / 2 <= wanted:
            drawn.update(sample.key for sample in groups[name])
    smallest = min(names, key=lambda name: len(groups[name]))
    return drawn or {sample.key for sample in groups[smallest]}

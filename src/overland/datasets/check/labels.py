"""Checks of labels: lossy masks, masks without labels, classes that do not occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets.check.survey import Record
from overland.datasets.class_balance import fractions_from_counts, weights_from_fractions
from overland.datasets.issue import Issue, count_of, named_files
from overland.datasets.label_mapping import LabelMapping
from overland.legend import Legend

__all__ = [
    "check_classes",
    "check_lossy_masks",
    "check_mixed_coding",
    "check_unlabelled",
    "counts_of",
    "profile_of_split",
]


def counts_of(records: Sequence[Record], num_classes: int) -> npt.NDArray[np.int64]:
    """Pixels of each class over all masks that could be decoded."""
    counts = np.zeros(num_classes, np.int64)
    for record in records:
        if record.mask and record.mask.counts is not None:
            counts += record.mask.counts
    return counts


def check_lossy_masks(records: Sequence[Record]) -> list[Issue]:
    """Masks that are stored as JPEG."""
    paths = tuple(r.sample.mask for r in records if r.mask and r.mask.driver == "JPEG" and r.sample.mask)
    if not paths:
        return []
    message = (
        f"{count_of(paths, 'mask')} stored as JPEG: {named_files(paths)}. JPEG changes the values round every border, "
        "and again each time it is saved. Save masks as PNG or GeoTIFF, from the source or binarised at 128."
    )
    return [Issue("error", "jpeg-mask", message, paths)]


def check_mixed_coding(records: Sequence[Record], label_mapping: LabelMapping) -> list[Issue]:
    """Two-class sets in which some masks hold 0 and 1, others 0 and 255, and none both: 255 is hardly "no label"."""
    if label_mapping.kind != "ids" or label_mapping.num_classes != 2:
        return []
    held = [
        (record.sample.mask, {1, 255} & (set(record.mask.values) - {record.mask.nodata}))
        for record in records
        if record.mask and record.sample.mask
    ]
    if not {frozenset({1}), frozenset({255})} <= {frozenset(v) for _, v in held} or any(len(v) == 2 for _, v in held):
        return []
    paths = tuple(path for path, values in held if values == {255})
    message = (
        f"{count_of(paths, 'mask')} with 0 and 255 where the others hold 0 and 1: {named_files(paths)}. "
        "They are read as 'no label'; if 255 is the class, declare label_mapping: {0: 0, 1: 1, 255: 1}"
    )
    return [Issue("error", "mixed-coding", message, paths)]


def check_unlabelled(records: Sequence[Record]) -> list[Issue]:
    """Masks in which every pixel is ignored."""
    paths = tuple(
        record.sample.mask
        for record in records
        if record.mask and record.sample.mask and record.mask.counts is not None and not record.mask.counts.any()
    )
    if not paths:
        return []
    message = (
        f"{count_of(paths, 'mask')} with nothing but 'no label': {named_files(paths)}. Remove what teaches nothing."
    )
    return [Issue("warning", "unlabelled-mask", message, paths)]


def check_classes(splits: Mapping[str, Sequence[Record]], legend: Legend) -> list[Issue]:
    """Classes of the legend that occur nowhere, or not in a split."""
    counts = {split: counts_of(records, legend.num_classes) for split, records in splits.items()}
    counts = {split: found for split, found in counts.items() if found.any()}
    if not counts:
        return []
    total = sum(counts.values())
    nowhere = [name for name, count in zip(legend.names, np.asarray(total), strict=True) if count == 0]
    issues = [_nowhere(nowhere, legend)] if nowhere else []
    for split, found in counts.items():
        absent = [n for n, count in zip(legend.names, found, strict=True) if count == 0 and n not in nowhere]
        if absent:
            issues.append(_absent(split, absent))
    return issues


def _nowhere(names: list[str], legend: Legend) -> Issue:
    message = (
        f"No pixel of any mask is {_listed(names)}: a model can never learn it. "
        "Is the mapping of values right? If the class is not in this place, take it out of names."
    )
    return Issue("error" if legend.num_classes - len(names) < 2 else "warning", "class-absent", message)


def _absent(split: str, names: list[str]) -> Issue:
    effect = "be learned" if split == "train" else f"get a score on {split}"
    message = (
        f"No pixel of {split} is {_listed(names)}, as in other splits: it cannot {effect}. Split anew, or accept it."
    )
    return Issue("warning", "class-absent-in-split", message)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


# The profile of a dataset: what its files are and what its masks hold, split by split.

_MOST_VALUES = 16


def profile_of_split(records: Sequence[Record], legend: Legend | None) -> dict[str, Any]:
    """Describe the samples of a split in plain values.

    Fractions of mask values are of all pixels, fractions of classes of the labelled ones; `class_images` counts the images
    in which a class occurs, `class_weights` are those of a loss. Without a legend the classes are left out.
    """
    images = [record.image for record in records if record.image]
    values: Counter[int] = Counter()
    for record in records:
        values += record.mask.values if record.mask else Counter()
    profile: dict[str, Any] = {
        "images": len(records),
        "labelled": sum(record.sample.mask is not None for record in records),
        "groups": len({record.sample.group for record in records}),
        "sizes": _counted(f"{facts.grid.width}x{facts.grid.height}" for facts in images),
        "bands": _counted(str(facts.bands) for facts in images),
        "dtypes": _counted(facts.dtype for facts in images),
        "georeferenced": sum(facts.grid.is_georeferenced for facts in images),
        "mask_values": _fractions(values),
        "mask_values_count": len(values),
    }
    return profile | (_classes(records, legend) if legend else {})


def _classes(records: Sequence[Record], legend: Legend) -> dict[str, Any]:
    masks = [record.mask for record in records if record.mask and record.mask.counts is not None]
    counts = counts_of(records, legend.num_classes)
    fractions = fractions_from_counts(legend, counts)
    ignored = sum(mask.ignored for mask in masks)
    present = [
        sum(int(mask.counts[index] > 0) for mask in masks if mask.counts is not None) for index in range(len(counts))
    ]
    return {
        "class_fractions": fractions,
        "class_weights": weights_from_fractions(fractions),
        "class_images": dict(zip(legend.names, present, strict=True)),
        "ignored_fraction": ignored / max(ignored + int(counts.sum()), 1),
    }


def _counted(names: Any) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _fractions(values: Counter[int]) -> dict[str, float]:
    total = max(values.total(), 1)
    return {str(value): count / total for value, count in sorted(values.most_common(_MOST_VALUES))}

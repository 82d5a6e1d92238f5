"""Checks of labels (lossy masks, two codings, nothing labelled, classes that do not occur); the profile of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from overland.datasets.check.survey import Record
from overland.datasets.class_balance import fractions_from_counts, weights_from_fractions
from overland.datasets.issue import Issue, count_of, named_files
from overland.datasets.label_mapping import LabelMapping
from overland.legend import Legend

__all__ = [
    "SplitProfile",
    "check_classes",
    "check_lossy_masks",
    "check_mixed_coding",
    "check_unlabelled",
    "profile_of_split",
]

_MOST_VALUES = 16


def check_lossy_masks(records: Sequence[Record]) -> list[Issue]:
    """Report masks that are stored as JPEG.

    Args:
        records: The survey.

    Returns:
        One issue or none.
    """
    paths = tuple(r.sample.mask for r in records if r.mask and r.mask.driver == "JPEG" and r.sample.mask)
    if not paths:
        return []
    message = (
        f"{count_of(paths, 'mask')} stored as JPEG: {named_files(paths)}. JPEG changes the values round every border, "
        "and again each time it is saved. Save masks as PNG or GeoTIFF, from the original or binarised at 128."
    )
    return [Issue("warning", "jpeg-mask", message, paths)]


def check_mixed_coding(records: Sequence[Record], label_mapping: LabelMapping) -> list[Issue]:
    """Report two-class sets in which some masks hold 0 and 1, others 0 and 255, and none both.

    In such a set 255 is hardly "no label", as which it would be read.

    Args:
        records: The survey.
        label_mapping: The mapping that reads the masks.

    Returns:
        One issue or none.
    """
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
    """Report masks in which every pixel is ignored.

    Args:
        records: The survey.

    Returns:
        One issue or none.
    """
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
    """Report classes of the legend that occur nowhere, or not in a split.

    Args:
        splits: The survey of each split.
        legend: The classes.

    Returns:
        An issue for the classes that occur nowhere, and one for each split that lacks others.
    """
    counts = {split: _counts_of(records, legend.num_classes) for split, records in splits.items()}
    counts = {split: found for split, found in counts.items() if found.any()}
    if not counts:
        return []
    total = np.sum(list(counts.values()), axis=0)
    nowhere = [name for name, count in zip(legend.names, total, strict=True) if count == 0]
    issues = []
    if nowhere:
        message = (
            f"No pixel of any mask is {_listed(nowhere)}: a model can never learn it. "
            "Is the mapping of values right? If the class is not in this place, take it out of names."
        )
        is_one_class = legend.num_classes - len(nowhere) < 2
        issues.append(Issue("error" if is_one_class else "warning", "class-absent", message))
    for split, found in counts.items():
        absent = [n for n, count in zip(legend.names, found, strict=True) if count == 0 and n not in nowhere]
        if absent:
            effect = "be learned" if split == "train" else f"get a score on {split}"
            message = (
                f"No pixel of {split} is {_listed(absent)}, as in other splits: it cannot {effect}. "
                "Split anew, or accept it."
            )
            issues.append(Issue("warning", "class-absent-in-split", message))
    return issues


def _counts_of(records: Sequence[Record], num_classes: int) -> npt.NDArray[np.int64]:
    counts = np.zeros(num_classes, np.int64)
    for record in records:
        if record.mask and record.mask.counts is not None:
            counts += record.mask.counts
    return counts


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


@dataclass(frozen=True)
class SplitProfile:
    """The samples of a split in numbers.

    Attributes:
        images: Number of images.
        labelled: Number of images with a mask.
        groups: Number of scenes or drives, by file name.
        sizes: Number of images of each size, such as 512x512 (width first).
        bands: Number of images of each number of bands.
        dtypes: Number of images of each pixel type.
        georeferenced: Number of images that lie on the ground.
        mask_values: Fraction of all mask pixels of the most frequent values.
        mask_values_count: Number of different values.
        class_fractions: Fraction of each class in the labelled pixels; empty where it is open how masks are read, as
            are the fields that follow.
        class_weights: Weight of each class in a loss.
        class_images: Number of images in which each class occurs.
        ignored_fraction: Fraction of the mask pixels without a label.
    """

    images: int
    labelled: int
    groups: int
    sizes: dict[str, int]
    bands: dict[str, int]
    dtypes: dict[str, int]
    georeferenced: int
    mask_values: dict[str, float]
    mask_values_count: int
    class_fractions: dict[str, float] = field(default_factory=dict)
    class_weights: dict[str, float] = field(default_factory=dict)
    class_images: dict[str, int] = field(default_factory=dict)
    ignored_fraction: float = 0.0


def profile_of_split(records: Sequence[Record], legend: Legend | None) -> SplitProfile:
    """Describe the samples of a split.

    Args:
        records: The survey of the split.
        legend: The classes; None where it is open how masks are read.

    Returns:
        The profile.
    """
    images = [record.image for record in records if record.image]
    values: Counter[int] = Counter()
    for record in records:
        values += record.mask.values if record.mask else Counter()
    decoded = [record.mask for record in records if legend and record.mask and record.mask.counts is not None]
    counts = _counts_of(records, legend.num_classes) if legend else np.zeros(0, np.int64)
    fractions = fractions_from_counts(legend, counts) if legend else {}
    ignored = sum(mask.ignored for mask in decoded)
    present = np.sum([mask.counts > 0 for mask in decoded if mask.counts is not None], axis=0, initial=0)
    occurrences = np.broadcast_to(present, counts.shape).tolist()
    return SplitProfile(
        images=len(records),
        labelled=sum(record.sample.mask is not None for record in records),
        groups=len({record.sample.group for record in records}),
        sizes=_counted(f"{facts.grid.width}x{facts.grid.height}" for facts in images),
        bands=_counted(str(facts.bands) for facts in images),
        dtypes=_counted(facts.dtype for facts in images),
        georeferenced=sum(facts.grid.is_georeferenced for facts in images),
        mask_values={
            str(value): count / max(values.total(), 1) for value, count in sorted(values.most_common(_MOST_VALUES))
        },
        mask_values_count=len(values),
        class_fractions=fractions,
        class_weights=weights_from_fractions(fractions),
        class_images=dict(zip(legend.names, occurrences, strict=True)) if legend else {},
        ignored_fraction=ignored / max(ignored + int(counts.sum()), 1),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())

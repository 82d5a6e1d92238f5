"""The profile of a dataset: what its files are and what its masks hold, split by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from overland.datasets.check.labels import counts_of
from overland.datasets.check.survey import Record
from overland.datasets.shares import shares_from_counts, weights_from_shares
from overland.legend import Legend

__all__ = ["profile_of_split"]

_MOST_VALUES = 16


def profile_of_split(records: Sequence[Record], legend: Legend | None) -> dict[str, Any]:
    """Describe the samples of a split in plain values.

    Shares of mask values are of all pixels, shares of classes of the labelled ones; `class_images` counts the images
    in which a class occurs, `class_weights` are those of a loss. Without a legend the classes are left out.
    """
    images = [record.image for record in records if record.image]
    values: Counter[int] = Counter()
    for record in records:
        values += record.mask.values if record.mask else Counter()
    profile: dict[str, Any] = {
        "images": len(records),
        "labelled": sum(record.sample.target is not None for record in records),
        "groups": len({record.sample.group for record in records}),
        "sizes": _counted(f"{facts.grid.width}x{facts.grid.height}" for facts in images),
        "bands": _counted(str(facts.bands) for facts in images),
        "dtypes": _counted(facts.dtype for facts in images),
        "georeferenced": sum(facts.grid.is_georeferenced for facts in images),
        "mask_values": _shares(values),
        "mask_values_count": len(values),
    }
    return profile | (_classes(records, legend) if legend else {})


def _classes(records: Sequence[Record], legend: Legend) -> dict[str, Any]:
    masks = [record.mask for record in records if record.mask and record.mask.counts is not None]
    counts = counts_of(records, legend.num_classes)
    shares = shares_from_counts(legend, counts)
    ignored = sum(mask.ignored for mask in masks)
    present = [
        sum(int(mask.counts[index] > 0) for mask in masks if mask.counts is not None) for index in range(len(counts))
    ]
    return {
        "class_shares": shares,
        "class_weights": weights_from_shares(shares),
        "class_images": dict(zip(legend.names, present, strict=True)),
        "ignored_share": ignored / max(ignored + int(counts.sum()), 1),
    }


def _counted(names: Any) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _shares(values: Counter[int]) -> dict[str, float]:
    total = max(values.total(), 1)
    return {str(value): count / total for value, count in sorted(values.most_common(_MOST_VALUES))}

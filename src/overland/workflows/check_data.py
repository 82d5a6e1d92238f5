"""Check a dataset before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from overland.datasets.check import SplitProfile, check_dataset
from overland.datasets.check.shift import Offset
from overland.datasets.issue import Issue
from overland.datasets.layouts import DataSource
from overland.result import Result

__all__ = ["CheckDataResult", "check_data"]


@dataclass(frozen=True)
class CheckDataResult(Result):
    """The profile of a dataset and the issues with it.

    Attributes:
        path: The folder of the dataset.
        layout: Name of its layout.
        classes: Names of the classes; None where they are open.
        label_mapping: Reading of the masks: kind, mapping and colors; None where that is open.
        notes: Lines on what was decided by rule.
        splits: The profile of each split.
        label_offset_px: Distance of the labels from the images, in pixels; None where there is too little to tell.
        issues: The faults, errors first.
        errors: Number of issues that keep the dataset from being used.
        warnings: Number of issues to look at.
        ok: True where no issue is an error.
    """

    path: str
    layout: str
    classes: tuple[str, ...] | None
    label_mapping: dict[str, Any] | None
    notes: tuple[str, ...]
    splits: dict[str, SplitProfile]
    label_offset_px: Offset | None
    issues: tuple[Issue, ...]
    errors: int
    warnings: int
    ok: bool


def check_data(data: DataSource, *, val_fraction: float = 0.2, seed: int = 0) -> CheckDataResult:
    """Profile a dataset and name its faults.

    The folder holds images/ with masks/, scenes with X_labels.tif next to them, or DeepGlobe, Massachusetts, CamVid,
    Cityscapes, LoveDA, masks of Roboflow or channels of the managed cloud trainer. Every image and mask is read once:
    pairs, sizes, mask values, classes in each split, duplicates and scenes across splits, blank imagery, fill values,
    labels that lie elsewhere than their image or are shifted against it. An error is what keeps the data from being
    used; it ends the command with exit code 3.

    Args:
        data: Dataset: a folder, a dataset YAML, or a reader of your own as package.module:reader@folder; in Python also
            the layout or dataset that a reader returned.
        val_fraction: Fraction of the images that becomes val where the dataset has no val split, as in training.
        seed: Seed of that split.

    Returns:
        The profile and the issues.

    Raises:
        DataError: The path holds no dataset.
        UsageError: The fraction is out of range.
    """
    report = check_dataset(data, val_fraction=val_fraction, seed=seed)
    return CheckDataResult(
        path=str(report.layout.root),
        layout=report.layout.kind,
        classes=report.legend.names if report.legend else None,
        label_mapping=report.choice.label_mapping.to_dict() if report.choice else None,
        notes=(*report.layout.notes, *(report.choice.notes if report.choice else ())),
        splits=report.splits,
        label_offset_px=report.offset,
        issues=report.issues,
        errors=report.errors,
        warnings=sum(issue.severity == "warning" for issue in report.issues),
        ok=report.ok,
    )

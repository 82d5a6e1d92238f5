"""Data check: profile a dataset and find the faults that would spoil a training, before anything is trained.

An error keeps a dataset from being used, and every verb that learns from it or cuts it stops on it; anything that
training takes is a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from overland.datasets.check.labels import (
    SplitProfile,
    check_classes,
    check_lossy_masks,
    check_mixed_coding,
    check_unlabelled,
    profile_of_split,
)
from overland.datasets.check.pairs import check_faults, check_ground, check_imagery, check_kinds, check_sizes
from overland.datasets.check.shift import Offset, check_shift, estimate_offset
from overland.datasets.check.splits import check_duplicates, check_groups, check_overlaps
from overland.datasets.check.survey import Record, survey, survey_headers
from overland.datasets.dataset import Dataset
from overland.datasets.issue import Issue, raise_errors
from overland.datasets.label_mapping import label_mapping_line
from overland.datasets.label_mapping_choice import LabelMappingChoice, label_mapping_from_masks
from overland.datasets.layouts import DataSource, Layout, read_layout
from overland.datasets.masks import read_mask
from overland.errors import DataError
from overland.legend import Legend

__all__ = ["CheckReport", "SplitProfile", "check_before_use", "check_dataset"]

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class CheckReport:
    """The result of a data check.

    Attributes:
        layout: The files and what is declared about them.
        choice: How the masks are read; None where that is open.
        issues: What was found, errors first.
        splits: The profile of each split.
        offset: How far the labels lie off the images; None where there is too little to tell.
    """

    layout: Layout
    choice: LabelMappingChoice | None
    issues: tuple[Issue, ...]
    splits: dict[str, SplitProfile]
    offset: Offset | None

    @property
    def errors(self) -> int:
        """Number of issues that keep the dataset from being used."""
        return sum(issue.severity == "error" for issue in self.issues)

    @property
    def ok(self) -> bool:
        """True where no issue is an error."""
        return self.errors == 0

    @property
    def legend(self) -> Legend | None:
        """The classes, where they are known."""
        return self.choice.legend if self.choice else self.layout.legend


def check_dataset(data: DataSource, *, val_fraction: float = 0.2, seed: int = 0) -> CheckReport:
    """Read every image and mask of a dataset once and report its faults.

    Args:
        data: The dataset, as in `overland.datasets.layouts.read_dataset`.
        val_fraction: Fraction of the train images that becomes val where the dataset has no val split.
        seed: Seed of that split.

    Returns:
        The report.

    Raises:
        DataError: No layout fits; all that is wrong inside the dataset is an issue.
        UsageError: The fraction is out of range.
    """
    found = read_layout(data, val_fraction=val_fraction, seed=seed)
    if isinstance(found, Dataset):
        layout = Layout("dataset made in Python", found.root, found.splits, found.legend, notes=found.notes)
        choice: LabelMappingChoice | None = LabelMappingChoice(found.legend, found.label_mapping)
        open_questions: tuple[Issue, ...] = ()
    else:
        layout = found
        choice, open_questions = _choice(layout, layout.masks)
    samples = ((split, sample) for split, samples in layout.splits.items() for sample in samples)
    records = survey(samples, choice.label_mapping if choice else None)
    splits = {split: [r for r in records if r.split == split] for split in layout.splits}
    offset = estimate_offset([lags for record in records for lags in record.lags])
    issues = [
        *layout.problems,
        *open_questions,
        *check_faults(records),
        *check_sizes(records),
        *check_lossy_masks(records),
        *check_kinds(records),
        *check_ground(records),
        *check_duplicates(records),
        *check_groups(splits),
        *check_overlaps(records),
        *check_imagery(records),
        *check_unlabelled(records),
        *(check_mixed_coding(records, choice.label_mapping) if choice else ()),
        *(check_classes(splits, choice.legend) if choice else ()),
        *check_shift(offset),
    ]
    legend = choice.legend if choice else None
    return CheckReport(
        layout=layout,
        choice=choice,
        issues=tuple(sorted(issues, key=lambda issue: _ORDER[issue.severity])),
        splits={split: profile_of_split(part, legend) for split, part in splits.items()},
        offset=offset,
    )


def check_before_use(dataset: Dataset, *, bands: Sequence[int] | None = None) -> tuple[Issue, ...]:
    """Look quickly at a dataset that is to be learned from or cut: headers, and the values of some masks.

    Args:
        dataset: The dataset.
        bands: The bands that will be read, counted from 1; all of them by default.

    Returns:
        The issues that are no errors.

    Raises:
        DataError: An issue is an error: files that cannot be read or do not lie on each other, masks in two codings,
            values that are no class, fewer than two classes.
    """
    labelled = [(split, s) for split, samples in dataset.splits.items() for s in samples if s.mask is not None]
    records = survey_headers(labelled, dataset.label_mapping)
    issues: list[Issue] = [
        *check_faults(records),
        *check_sizes(records),
        *check_kinds(records, bands),
        *check_ground(records),
        *check_mixed_coding(records, dataset.label_mapping),
    ]
    if all(record.mask and record.mask.counts is not None for record in records):
        splits: dict[str, list[Record]] = {}
        for record in records:
            splits.setdefault(record.split, []).append(record)
        issues += [issue for issue in check_classes(splits, dataset.legend) if issue.severity == "error"]
    raise_errors(issues, dataset.root)
    return tuple(issues)


def _choice(layout: Layout, masks: Sequence[Path]) -> tuple[LabelMappingChoice | None, tuple[Issue, ...]]:
    try:
        choice = label_mapping_from_masks(
            masks, layout.legend, label_mapping=layout.label_mapping, colors=layout.colors
        )
    except DataError as error:
        readable = []
        for path in masks:
            with suppress(DataError):
                read_mask(path)
                readable.append(path)
        if len(readable) < len(masks):
            return _choice(layout, readable)
        return None, (Issue("error", "ambiguous-masks" if masks else "no-masks", str(error)),)
    issues = list(choice.issues)
    if layout.legend is None and layout.yaml_lines:
        names = ", ".join(f"{index}: {name}" for index, name in enumerate(choice.legend.names))
        mapping = choice.label_mapping
        more = [label_mapping_line(mapping.mapping)] if mapping.kind == "threshold" else []
        lines = "\n".join(f"  {line}" for line in (*layout.yaml_lines, f"names: {{{names}}}", *more))
        message = f"There is no dataset YAML. To name the classes, write {layout.root}/data.yaml with these lines:"
        issues.append(Issue("info", "no-dataset-yaml", f"{message}\n{lines}"))
    return replace(choice, issues=tuple(issues)), tuple(issues)

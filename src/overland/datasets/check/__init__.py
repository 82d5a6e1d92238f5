"""Data check: profile a dataset and find what would spoil a training, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overland.datasets.check.labels import (
    check_classes,
    check_lossy_masks,
    check_mixed_coding,
    check_unlabelled,
    profile_of_split,
)
from overland.datasets.check.pairs import check_faults, check_ground, check_imagery, check_kinds, check_sizes
from overland.datasets.check.shift import Offset, check_shift, estimate_offset
from overland.datasets.check.splits import check_duplicates, check_groups, check_overlaps
from overland.datasets.check.survey import Record, survey
from overland.datasets.issue import Issue
from overland.datasets.label_mapping import label_mapping_line
from overland.datasets.label_mapping_choice import LabelMappingChoice, label_mapping_from_masks
from overland.datasets.layouts import Layout, layout_from_path
from overland.datasets.masks import read_mask
from overland.errors import DataError

__all__ = ["CheckReport", "check_dataset"]

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class CheckReport:
    """What a data check found: the layout, how masks are read (None when that is open), the issues, the profile."""

    layout: Layout
    choice: LabelMappingChoice | None
    issues: tuple[Issue, ...]
    splits: dict[str, dict[str, Any]]
    offset: Offset | None

    @property
    def errors(self) -> int:
        """Number of issues that keep the dataset from being used as it is."""
        return sum(issue.severity == "error" for issue in self.issues)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        legend = self.choice.legend if self.choice else self.layout.legend
        return {
            "path": str(self.layout.root),
            "layout": self.layout.kind,
            "classes": list(legend.names) if legend else None,
            "label_mapping": self.choice.label_mapping.to_dict() if self.choice else None,
            "notes": [*self.layout.notes, *(self.choice.notes if self.choice else ())],
            "splits": self.splits,
            "label_offset_px": asdict(self.offset) if self.offset else None,
            "issues": [issue.to_dict() for issue in self.issues],
            "errors": self.errors,
            "warnings": sum(issue.severity == "warning" for issue in self.issues),
            "ok": self.errors == 0,
        }


def check_dataset(path: str | Path, *, val_fraction: float = 0.2, seed: int = 0) -> CheckReport:
    """Read every image and mask of a dataset once and report what is wrong with it.

    `val_fraction` and `seed` are those of a training, where the dataset has no val split. Raises `DataError` only when
    no layout fits; all that is wrong inside the dataset is an issue.
    """
    layout = layout_from_path(path, val_fraction=val_fraction, seed=seed)
    choice, open_questions = _choice(layout, layout.masks)
    samples = ((split, sample) for split, samples in layout.splits.items() for sample in samples)
    records = survey(samples, choice.label_mapping if choice else None)
    splits = {split: [r for r in records if r.split == split] for split in layout.splits}
    offset = estimate_offset([lags for record in records for lags in record.evidence])
    issues = [*layout.problems, *open_questions, *_issues(records, splits, choice), *check_shift(offset)]
    legend = choice.legend if choice else None
    return CheckReport(
        layout=layout,
        choice=choice,
        issues=tuple(sorted(issues, key=lambda issue: _ORDER[issue.severity])),
        splits={split: profile_of_split(part, legend) for split, part in splits.items()},
        offset=offset,
    )


def _choice(layout: Layout, masks: Sequence[Path]) -> tuple[LabelMappingChoice | None, tuple[Issue, ...]]:
    try:
        choice = label_mapping_from_masks(
            masks, layout.legend, label_mapping=layout.label_mapping, colors=layout.colors
        )
    except DataError as error:
        readable = [path for path in masks if _is_readable(path)]
        if len(readable) < len(masks):
            return _choice(layout, readable)
        return None, (Issue("error", "ambiguous-masks" if masks else "no-masks", str(error)),)
    return choice, (*choice.issues, *_undescribed(layout, choice))


def _undescribed(layout: Layout, choice: LabelMappingChoice) -> tuple[Issue, ...]:
    if layout.legend is not None or not layout.yaml_lines:
        return ()
    names = ", ".join(f"{index}: {name}" for index, name in enumerate(choice.legend.names))
    mapping = [label_mapping_line(choice.label_mapping.mapping)] if choice.label_mapping.kind == "threshold" else []
    lines = "\n".join(f"  {line}" for line in (*layout.yaml_lines, f"names: {{{names}}}", *mapping))
    message = f"There is no dataset YAML. To name the classes, write {layout.root}/data.yaml with these lines:\n{lines}"
    return (Issue("info", "no-dataset-yaml", message),)


def _is_readable(path: Path) -> bool:
    try:
        read_mask(path)
    except DataError:
        return False
    return True


def _issues(records: list[Record], splits: dict[str, list[Record]], choice: LabelMappingChoice | None) -> list[Issue]:
    issues = [
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
    ]
    if choice is None:
        return issues
    return [*issues, *check_mixed_coding(records, choice.label_mapping), *check_classes(splits, choice.legend)]

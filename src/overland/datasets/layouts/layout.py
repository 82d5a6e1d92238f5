"""What a dataset's files say, before any mask is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import list_images, pair_by_stem, split_by_group
from overland.datasets.issue import Issue
from overland.legend import Color, Legend

__all__ = ["Layout", "paired_folders", "split_where_needed"]


@dataclass(frozen=True)
class Layout:
    """Samples in splits, what is declared about the masks, and what does not fit together.

    `kind` names the layout for people. `legend`, `label_mapping` and `colors` are None where nothing is declared;
    `names_declared` is False where the names of the legend are made up.
    `problems` are issues: any of severity "error" keeps the dataset from being used. `yaml_lines` are the lines of
    a dataset YAML that would describe the same files, where there is none and they can be described so.
    """

    kind: str
    root: Path
    splits: Mapping[str, tuple[Sample, ...]]
    legend: Legend | None = None
    label_mapping: Mapping[int, int] | None = None
    colors: tuple[tuple[Color, int], ...] | None = None
    problems: tuple[Issue, ...] = ()
    notes: tuple[str, ...] = ()
    yaml_lines: tuple[str, ...] = ()
    names_declared: bool = True

    @property
    def masks(self) -> list[Path]:
        """All masks, in the order of the splits."""
        return [sample.mask for samples in self.splits.values() for sample in samples if sample.mask is not None]


def paired_folders(
    folders: Iterable[tuple[str, Path, Path]],
) -> tuple[dict[str, tuple[Sample, ...]], tuple[Issue, ...]]:
    """Pair the images and masks of (split, image folder, mask folder); a missing mask folder has no masks."""
    splits: dict[str, tuple[Sample, ...]] = {}
    problems: list[Issue] = []
    for split, image_folder, mask_folder in folders:
        masks = list_images(mask_folder) if mask_folder.is_dir() else []
        splits[split], issues = pair_by_stem(list_images(image_folder), image_folder, masks, mask_folder, split)
        problems += issues or _empty(split, image_folder, splits[split])
    return splits, tuple(problems)


def split_where_needed(layout: Layout, val_fraction: float, seed: int) -> Layout:
    """Split train into train and val where there is no val; says so in a note."""
    if "val" in layout.splits or not layout.splits.get("train"):
        return layout
    parts, note = split_by_group(layout.splits["train"], val_fraction, seed)
    rest = {name: samples for name, samples in layout.splits.items() if name != "train"}
    return replace(layout, splits={**parts, **rest}, notes=(*layout.notes, note))


def _empty(split: str, folder: Path, samples: Sequence[Sample]) -> list[Issue]:
    if samples:
        return []
    return [
        Issue("error", "no-images", f"{folder} holds no images, so {split} is empty. Is the path right?", (folder,))
    ]

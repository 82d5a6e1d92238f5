"""A dataset: samples in splits, the meaning of their masks, and the reader of one sample.

The YAML that describes a dataset of our own making (chips, drawn masks) is written here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from overland.datasets.label_mapping import LabelMapping
from overland.datasets.masks import Labels, Pixels, RawMask, Valid, read_mask
from overland.errors import DataError
from overland.geo.grid import Window
from overland.legend import IGNORE_INDEX, Legend
from overland.raster.read import open_scene

__all__ = [
    "DESCRIBED_SPLITS",
    "Dataset",
    "Sample",
    "read_labels",
    "read_sample",
    "write_description",
]

DESCRIBED_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """An image and its mask.

    Attributes:
        key: Name of the sample, unique in its dataset, such as "train/img-12".
        image: The image file.
        mask: The mask file; None for an image without labels.
        group: The scene or drive that the image comes from, which must not be in two splits.
    """

    key: str
    image: Path
    mask: Path | None
    group: str


@dataclass(frozen=True)
class Dataset:
    """Samples in splits, the legend of their classes and the mapping that reads their masks.

    Attributes:
        name: Name for people.
        root: The folder that the files lie in.
        legend: The classes.
        label_mapping: The class id of each value or colour in the masks.
        splits: The samples of each split: train, val and, where there are any, test and unlabelled.
        notes: One line on each thing that was decided and not declared; a verb logs them before its first step.
        names_declared: False where no class names were found and the legend's are made up.
        pixel_size_m: What the dataset says of the side of its pixels, in metres; None where it says nothing.
    """

    name: str
    root: Path
    legend: Legend
    label_mapping: LabelMapping
    splits: Mapping[str, tuple[Sample, ...]]
    notes: tuple[str, ...] = ()
    names_declared: bool = True
    pixel_size_m: float | None = None


def read_sample(
    dataset: Dataset, sample: Sample, bands: Sequence[int] | None = None, window: Window | None = None
) -> tuple[Pixels, Labels, Valid]:
    """Read an image and its labels.

    Args:
        dataset: The dataset of the sample.
        sample: The sample.
        bands: Bands to read, counted from 1; all but an alpha band by default.
        window: The part to read; all of it by default.

    Returns:
        The image (bands, height, width) in the file's type; the labels (height, width): class ids, and 255 where there
        is no label or no image data; and the boolean array (height, width) of where the image holds data.

    Raises:
        DataError: The sample has no mask, the sizes differ, or the mask holds values that are no classes.
    """
    mask = _read_mask(sample, window)
    with open_scene(sample.image, expand_palette=True) as scene:
        if (scene.height, scene.width) != (mask.grid.height, mask.grid.width):
            raise DataError(
                f"{sample.image} has {scene.height} x {scene.width} pixels and its mask {mask.path} has "
                f"{mask.grid.height} x {mask.grid.width}. They must be of one size; `overland data check` "
                "finds swapped files."
            )
        image, valid = scene.read(window, bands)
    labels = dataset.label_mapping.ids_from_mask(mask)
    labels[~valid] = dataset.legend.ignore_index
    return image, labels, valid


def read_labels(dataset: Dataset, sample: Sample, window: Window | None = None) -> Labels:
    """Read the labels of a sample without its image.

    Args:
        dataset: The dataset of the sample.
        sample: The sample.
        window: The part to read; all of it by default.

    Returns:
        Class ids (height, width), 255 where there is no label.

    Raises:
        DataError: The sample has no mask, or the mask holds values that are no classes.
    """
    return dataset.label_mapping.ids_from_mask(_read_mask(sample, window))


def _read_mask(sample: Sample, window: Window | None) -> RawMask:
    if sample.mask is None:
        raise DataError(f"{sample.image} has no mask, so there is nothing to compare or to learn from.")
    return read_mask(sample.mask, window)


def write_description(folder: Path, legend: Legend, splits: Iterable[str], *, names_declared: bool = True) -> None:
    """Write data.yaml for images in images/SPLIT and masks of class ids in masks/SPLIT, with 255 for no label.

    Args:
        folder: The folder of the dataset.
        legend: The classes.
        splits: The splits that the folder holds.
        names_declared: False adds a comment that the class names are made up.
    """
    # Declared, although values are ids: masks that happen to hold 0 and 255 alone are then not open to a guess.
    values = {index: index for index in range(legend.num_classes)}
    tables = {
        "names": dict(enumerate(legend.names)),
        "palette": {index: list(color) for index, color in enumerate(legend.colors)},
        "label_mapping": {**values, IGNORE_INDEX: "ignore_label"},
    }
    lines = ["path: .", *(f"{split}: images/{split}" for split in splits), "masks_dir: masks"]
    lines += [] if names_declared else ["# The set declared no names; write the true ones here."]
    for name, table in tables.items():
        # Each table on one line, as people write it.
        text = yaml.safe_dump(table, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
        lines.append(f"{name}: {text.strip()}")
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

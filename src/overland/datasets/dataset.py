"""A dataset: samples in splits, what their masks mean, and how one of them is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from overland.datasets.label_mapping import LabelMapping
from overland.datasets.masks import RawMask, read_mask
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


@dataclass(frozen=True)
class Sample:
    """An image and its mask.

    `key` is unique in the dataset, such as "train/img-12". `group` is the scene or drive that the image comes from,
    which must not be in two splits. `mask` is None for an image without labels.
    """

    key: str
    image: Path
    mask: Path | None
    group: str


@dataclass(frozen=True)
class Dataset:
    """Samples in splits, with the legend of their classes and the label_mapping that reads their masks.

    `notes` say in one line each what was decided and not declared; a workflow logs them before its first step.
    `names_declared` is False where no class names were found and the legend's are made up.
    """

    name: str
    root: Path
    legend: Legend
    label_mapping: LabelMapping
    splits: Mapping[str, tuple[Sample, ...]]
    notes: tuple[str, ...] = ()
    names_declared: bool = True


def read_sample(
    dataset: Dataset, sample: Sample, bands: Sequence[int] | None = None, window: Window | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read an image and its labels.

    Returns the image (bands, height, width) in the file's type, the labels (height, width) with class ids and 255
    where there is no label or no image data, and the boolean array (height, width) of where the image holds data.
    `bands` are counted from 1; all but an alpha band without it. `window` reads a part only. Raises `DataError` when
    the sample has no mask, when the sizes differ or when the mask holds values that are no classes.
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


def read_labels(dataset: Dataset, sample: Sample, window: Window | None = None) -> npt.NDArray[np.uint8]:
    """Read the class ids (height, width) of a sample, 255 where there is no label.

    Raises `DataError` when the sample has no mask and when the mask holds values that are no classes.
    """
    return dataset.label_mapping.ids_from_mask(_read_mask(sample, window))


def _read_mask(sample: Sample, window: Window | None) -> RawMask:
    if sample.mask is None:
        raise DataError(f"{sample.image} has no mask, so there is nothing to compare or to learn from.")
    return read_mask(sample.mask, window)


# The YAML of a dataset that we write ourselves: images/ and masks/ with ids, read back as they are.

DESCRIBED_SPLITS = ("train", "val", "test")


def write_description(folder: Path, legend: Legend, splits: Iterable[str], *, names_declared: bool = True) -> None:
    """Write data.yaml for images in `images/SPLIT` and masks of ids in `masks/SPLIT`, 255 for no label.

    Where no names were declared, a comment beside ours says so.
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
    lines += [f"{name}: {_flow(table)}" for name, table in tables.items()]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flow(table: object) -> str:
    # On one line, as people write it.
    return yaml.safe_dump(table, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True).strip()

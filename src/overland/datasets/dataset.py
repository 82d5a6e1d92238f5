"""A dataset: samples in splits, what their masks mean, and how one of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets.codec import LabelCodec
from overland.datasets.masks import RawMask, read_mask
from overland.errors import DataError
from overland.legend import Legend
from overland.raster.grid import Window
from overland.raster.scene import open_scene

__all__ = ["Dataset", "Sample", "read_sample", "read_target"]


@dataclass(frozen=True)
class Sample:
    """An image and its mask.

    `key` is unique in the dataset, such as "train/img-12". `group` is the scene or drive that the image comes from,
    which must not be in two splits. `target` is None for an image without labels.
    """

    key: str
    image: Path
    target: Path | None
    group: str


@dataclass(frozen=True)
class Dataset:
    """Samples in splits, with the legend of their classes and the codec that reads their masks.

    `notes` say in one line each what was decided and not declared; a workflow logs them before its first step.
    `names_declared` is False where no class names were found and the legend's are made up.
    """

    name: str
    root: Path
    legend: Legend
    codec: LabelCodec
    splits: Mapping[str, tuple[Sample, ...]]
    notes: tuple[str, ...] = ()
    names_declared: bool = True


def read_sample(
    dataset: Dataset, sample: Sample, bands: Sequence[int] | None = None, window: Window | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Read an image and its labels.

    Returns the image (bands, height, width) in the file's type, the target (height, width) with class ids and 255
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
    target = dataset.codec.ids_from_mask(mask)
    target[~valid] = dataset.legend.ignore_index
    return image, target, valid


def read_target(dataset: Dataset, sample: Sample, window: Window | None = None) -> npt.NDArray[np.uint8]:
    """Read the class ids (height, width) of a sample, 255 where there is no label.

    Raises `DataError` when the sample has no mask and when the mask holds values that are no classes.
    """
    return dataset.codec.ids_from_mask(_read_mask(sample, window))


def _read_mask(sample: Sample, window: Window | None) -> RawMask:
    if sample.target is None:
        raise DataError(f"{sample.image} has no mask, so there is nothing to compare or to learn from.")
    return read_mask(sample.target, window)

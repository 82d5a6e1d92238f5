"""Layouts of a dataset's files in its folder, one reader each, told apart by the folders and files that are there.

In this order: a dataset YAML (or a folder that holds one), the managed trainer's channels, Massachusetts folders,
DeepGlobe, CamVid folders, Cityscapes folders, LoveDA folders, Roboflow's masks, images/ and masks/, scenes with labels
next to them.

A layout of your own needs no place in this list. A function of yours returns a `Layout` (or a `Dataset`), and every
verb takes what it returns in place of a path: `ol.train(data=my_reader("folder"))`. On the command line it is named,
`--data package.module:my_reader@folder`, and called with the folder.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from overland.datasets.dataset import Dataset
from overland.datasets.issue import raise_errors
from overland.datasets.label_mapping_choice import label_mapping_from_masks
from overland.datasets.layouts.channels import layout_from_channels
from overland.datasets.layouts.dataset_yaml import description_in_folder, layout_from_yaml
from overland.datasets.layouts.folders import layout_from_folders, layout_from_scenes
from overland.datasets.layouts.layout import Layout, split_where_needed
from overland.datasets.layouts.published import (
    layout_from_camvid,
    layout_from_cityscapes,
    layout_from_loveda,
    layout_from_massachusetts,
)
from overland.datasets.layouts.tables import layout_from_deepglobe, layout_from_roboflow
from overland.errors import DataError, UsageError

__all__ = ["DataSource", "Layout", "data_name", "dataset_from_layout", "read_dataset", "read_layout"]

DataSource: TypeAlias = str | Path | Layout | Dataset
"""A dataset YAML or folder, a reader's name (`package.module:reader@folder`), or what a reader returned."""

_READERS: tuple[Callable[[Path], Layout | None], ...] = (
    layout_from_channels,
    # Before DeepGlobe: on Kaggle both have a metadata.csv.
    layout_from_massachusetts,
    layout_from_deepglobe,
    layout_from_camvid,
    layout_from_cityscapes,
    layout_from_loveda,
    layout_from_roboflow,
    layout_from_folders,
    layout_from_scenes,
)
_LOOKED_FOR = (
    "a data.yaml or dataset.yaml; train/ with train_annotation/ (the managed trainer's channels); train/sat/ with "
    "train/map/, or train/ with train_labels/ (Massachusetts); metadata.csv with class_dict.csv, or ID_sat.jpg with "
    "ID_mask.png (DeepGlobe); train/ with trainannot/ (CamVid); leftImg8bit/ with gtFine/ (Cityscapes); "
    "Train/Rural/images_png/ (LoveDA); train/_classes.csv (Roboflow); images/ with masks/; "
    "scenes X.tif with X_labels.tif, X_label.tif or X_mask.tif"
)
_SHOWN = 8
_READER_NAME = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)(?:@(.+))?")


def read_dataset(data: DataSource, *, val_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Read a dataset: find its samples and decide how its masks are read.

    Args:
        data: A dataset YAML, a folder in one of the layouts above, the name of a reader, or a layout or dataset that a
            reader of your own returned.
        val_fraction: Fraction of the train images that becomes val where the dataset has no val split.
        seed: Seed of that split, which is drawn by scene.

    Returns:
        The dataset.

    Raises:
        DataError: No layout fits, images and masks do not match, or it is open what the masks' values mean.
        UsageError: The fraction is out of range, or the reader cannot be called.
    """
    found = read_layout(data, val_fraction=val_fraction, seed=seed)
    return found if isinstance(found, Dataset) else dataset_from_layout(found)


def read_layout(data: DataSource, *, val_fraction: float = 0.2, seed: int = 0) -> Layout | Dataset:
    """Find the samples of a dataset without reading a mask; mismatches are in the layout's problems.

    Args:
        data: As in `read_dataset`.
        val_fraction: Fraction of the train images that becomes val where the dataset has no val split.
        seed: Seed of that split.

    Returns:
        The layout, or the dataset where a reader returned one.

    Raises:
        DataError: No layout fits.
        UsageError: The fraction is out of range, or the reader cannot be called.
    """
    if isinstance(data, Layout | Dataset):
        return split_where_needed(data, val_fraction, seed)
    if name := _reader_name(data):
        return split_where_needed(_read_by_name(*name), val_fraction, seed)
    path = Path(data)
    if not path.exists():
        raise DataError(f"{path} does not exist; a dataset is a YAML file or a folder. Check the spelling.")
    description = path if path.is_file() else description_in_folder(path)
    if description is not None:
        if description.suffix not in {".yaml", ".yml"}:
            raise DataError(f"{path} is no dataset; name a folder or a dataset YAML.")
        return split_where_needed(layout_from_yaml(description), val_fraction, seed)
    layout = next((found for reader in _READERS if (found := reader(path)) is not None), None)
    if layout is None:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        contents = ", ".join(names[:_SHOWN]) + more if names else "an empty folder"
        raise DataError(f"{path} holds no dataset that Overland knows. Looked for {_LOOKED_FOR}. Found {contents}.")
    return split_where_needed(layout, val_fraction, seed)


def data_name(data: DataSource) -> str | None:
    """Return the text by which a later command finds the same data, from any folder.

    Args:
        data: As in `read_dataset`.

    Returns:
        The absolute path, or the reader's name with one; None for a layout or dataset, which only its maker can make.
    """
    if isinstance(data, Layout | Dataset):
        return None
    name = _reader_name(data)
    if name is None:
        return str(Path(data).resolve())
    module, function, folder = name
    return f"{module}:{function}" + (f"@{Path(folder).resolve()}" if folder else "")


def dataset_from_layout(layout: Layout) -> Dataset:
    """Decide how the masks of a layout are read, and make it a dataset.

    Args:
        layout: The layout.

    Returns:
        The dataset.

    Raises:
        DataError: An image has no mask, or it is open what the masks' values mean.
    """
    raise_errors(layout.problems, layout.root)
    choice = label_mapping_from_masks(
        layout.masks, layout.legend, label_mapping=layout.label_mapping, colors=layout.colors
    )
    return Dataset(
        name=layout.root.resolve().name,
        root=layout.root,
        legend=choice.legend,
        label_mapping=choice.label_mapping,
        splits=layout.splits,
        notes=layout.notes + choice.notes,
        names_declared=choice.names_declared and layout.names_declared,
        pixel_size_m=layout.pixel_size_m,
    )


def _reader_name(data: str | Path) -> tuple[str, str, str | None] | None:
    match = _READER_NAME.fullmatch(data) if isinstance(data, str) and not Path(data).exists() else None
    return (match[1], match[2], match[3]) if match else None


def _read_by_name(module: str, function: str, folder: str | None) -> Layout | Dataset:
    here = str(Path.cwd())
    # The command line does not have the present folder on its path; python does.
    is_new = here not in sys.path
    try:
        if is_new:
            sys.path.append(here)
        reader: Any = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The reader {module}:{function} cannot be imported ({error}). It lies in an installed package, or in a "
            f"file of {here}."
        ) from error
    finally:
        if is_new:
            sys.path.remove(here)
    found = reader if isinstance(reader, Layout | Dataset) else reader(*([Path(folder)] if folder else []))
    if not isinstance(found, Layout | Dataset):
        raise UsageError(
            f"The reader {module}:{function} returned {type(found).__name__}; a reader returns an overland.datasets "
            "Layout or Dataset."
        )
    return found

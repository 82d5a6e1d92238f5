"""Layouts: how the files of a dataset lie in its folder, one reader each, told apart by what is there.

In this order: a dataset YAML (or a folder that holds one), the managed trainer's channels, Massachusetts folders,
DeepGlobe tables, CamVid folders, Cityscapes folders, images/ and masks/, scenes with labels beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from overland.datasets.dataset import Dataset
from overland.datasets.label_mapping_choice import label_mapping_from_masks
from overland.datasets.layouts.channels import layout_from_channels
from overland.datasets.layouts.dataset_yaml import description_in_folder, layout_from_yaml
from overland.datasets.layouts.folders import layout_from_folders, layout_from_scenes
from overland.datasets.layouts.layout import Layout, split_where_needed
from overland.datasets.layouts.published import (
    layout_from_camvid,
    layout_from_cityscapes,
    layout_from_deepglobe,
    layout_from_massachusetts,
)
from overland.errors import DataError

__all__ = ["Layout", "dataset_from_layout", "dataset_from_path", "layout_from_path"]

_READERS: tuple[Callable[[Path], Layout | None], ...] = (
    layout_from_channels,
    # Before DeepGlobe: on Kaggle both have a metadata.csv.
    layout_from_massachusetts,
    layout_from_deepglobe,
    layout_from_camvid,
    layout_from_cityscapes,
    layout_from_folders,
    layout_from_scenes,
)
_LOOKED_FOR = (
    "a data.yaml or dataset.yaml; train/ with train_annotation/ (the managed trainer's channels); train/sat/ with "
    "train/map/, or train/ with train_labels/ (Massachusetts); metadata.csv with class_dict.csv (DeepGlobe); "
    "train/ with trainannot/ (CamVid); leftImg8bit/ with gtFine/ (Cityscapes); images/ with masks/; "
    "scenes X.tif with X_labels.tif, X_label.tif or X_mask.tif"
)
_SHOWN = 8


def dataset_from_path(path: str | Path, *, val_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Read a dataset: a dataset YAML, or a folder in one of the layouts above.

    Without a val split, `val_fraction` of the images become one, drawn by scene with the seed. Raises `DataError` when
    no layout fits, when images and masks do not match, and when it is open what the masks' values mean.
    """
    return dataset_from_layout(layout_from_path(path, val_fraction=val_fraction, seed=seed))


def layout_from_path(path: str | Path, *, val_fraction: float = 0.2, seed: int = 0) -> Layout:
    """Find the samples of a dataset without reading a mask; what does not match is in the layout's problems.

    Raises `DataError` when no layout fits.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; a dataset is a YAML file or a folder. Check the spelling.")
    description = path if path.is_file() else description_in_folder(path)
    if description is not None:
        if description.suffix not in {".yaml", ".yml"}:
            raise DataError(f"{path} is no dataset; name a folder or a dataset YAML.")
        layout: Layout | None = layout_from_yaml(description)
    else:
        layout = next((found for reader in _READERS if (found := reader(path)) is not None), None)
    if layout is None:
        raise DataError(
            f"{path} holds no dataset that Overland knows. Looked for {_LOOKED_FOR}. Found {_contents(path)}."
        )
    return split_where_needed(layout, val_fraction, seed)


def dataset_from_layout(layout: Layout) -> Dataset:
    """Decide how the masks of a layout are read, and make it a dataset.

    Raises `DataError` when an image has no mask or when it is open what the masks' values mean.
    """
    errors = [problem for problem in layout.problems if problem.severity == "error"]
    if errors:
        rest = len(errors) - 1
        more = f" And {rest} more: `overland data check {layout.root}` names them all." if rest else ""
        raise DataError(errors[0].message + more)
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
    )


def _contents(folder: Path) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

"""The four channels of the managed cloud trainer, with its label map.

train/ and train_annotation/, validation/ and validation_annotation/, label_map/train_label_map.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from overland.datasets.layouts.label_map import (
    label_mapping_from_file,
    legend_from_ids,
    mapping_from_values,
    read_class_names,
)
from overland.datasets.layouts.layout import Layout, paired_folders
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, legend_from_names

__all__ = ["CHANNELS", "CLASS_NAMES", "LABEL_MAPS", "layout_from_channels"]

CHANNELS = {"train": "train", "val": "validation"}
LABEL_MAPS = "label_map"
# Ours, beside the channels: the trainer knows classes by number alone.
CLASS_NAMES = "class_names.json"


def layout_from_channels(root: Path) -> Layout | None:
    """Read the channels with the label map that goes with them; None when they are not there.

    Without a label map the values are ids and 255 is ignored, as in the trainer; masks of 0 and 255 are then read as
    two classes, and a note says so. Raises `DataError` for a label map that cannot be read, and for two that differ.
    Source: Amazon SageMaker, Semantic Segmentation Algorithm, input and output interface.
    """
    folders = [
        (split, root / channel, root / f"{channel}_annotation")
        for split, channel in CHANNELS.items()
        if (root / channel).is_dir() and (root / f"{channel}_annotation").is_dir()
    ]
    if not folders:
        return None
    splits, problems = paired_folders(folders)
    names = read_class_names(root / CLASS_NAMES)
    layout = Layout("channels of the managed trainer", root, splits, problems=problems)
    mapping = _label_mapping(root / LABEL_MAPS, layout.targets)
    legend = legend_from_names(names) if names else legend_from_ids(mapping) if mapping else None
    return Layout(
        layout.kind,
        root,
        splits,
        legend,
        label_mapping=mapping,
        problems=problems,
        notes=_notes(mapping, named=bool(names)),
        names_declared=bool(names),
    )


def _label_mapping(folder: Path, masks: Sequence[Path]) -> dict[int, int] | None:
    train, val = (folder / f"{channel}_label_map.json" for channel in CHANNELS.values())
    if not train.is_file():
        if val.is_file():
            raise DataError(f"{val} is there and {train} is not: write the label map of the training channel too.")
        return mapping_from_values(masks)
    mapping = label_mapping_from_file(train, masks)
    if val.is_file() and label_mapping_from_file(val, masks) != mapping:
        raise DataError(f"{train} and {val} map values to different classes; write the masks of both in one way.")
    return mapping


def _notes(mapping: dict[int, int] | None, *, named: bool) -> tuple[str, ...]:
    if mapping is None or named:
        return ()
    classes = len(set(mapping.values()) - {IGNORE_INDEX})
    return (f'The masks hold {classes} classes; write {CLASS_NAMES} ({{"0": "background", ...}}) to name them.',)

"""The four channels of the managed cloud trainer, with its label map.

`train/` and `train_annotation/`, `validation/` and `validation_annotation/`, and `label_map/train_label_map.json`,
which says which value in a mask is which class. Source: Amazon SageMaker, Semantic Segmentation Algorithm, input and
output interface.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overland.datasets.layouts.layout import Layout, paired_folders
from overland.datasets.masks import read_mask, unique_values
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.text import check_name, read_text

__all__ = [
    "CHANNELS",
    "CLASS_NAMES",
    "LABEL_MAPS",
    "label_mapping_from_file",
    "layout_from_channels",
    "legend_from_ids",
    "mapping_from_values",
    "read_class_names",
]


CHANNELS = {"train": "train", "val": "validation"}
LABEL_MAPS = "label_map"
# Ours, next to the channels: the trainer knows classes by number alone.
CLASS_NAMES = "class_names.json"

_SAMPLED = 48
_MOST_UNMAPPED = 200
_BINARY_NAMES = ("background", "foreground")


def label_mapping_from_file(path: Path, masks: Sequence[Path]) -> dict[int, int]:
    """Read the class id of each value from a label map: {"scale": "3"}, or {"map": {"<id>": <value>}}.

    With a scale an id is the value divided by it, rounded down. 255 is ignored unless a map lists it.

    Args:
        path: The label map.
        masks: The masks whose values a scale divides; 48 of them, spread over all, are read.

    Returns:
        The class id of each value, 255 for ignored.

    Raises:
        DataError: The file is no label map, or gives a class that cannot be.
    """
    declared = _read_object(path)
    if set(declared) == {"map"} and isinstance(declared["map"], dict):
        mapping = {_whole(path, value): _whole(path, index) for index, value in declared["map"].items()}
        if len(mapping) < len(declared["map"]):
            raise DataError(f"{path} gives one value to two classes: {declared['map']}. Each class needs its own.")
    elif set(declared) == {"scale"}:
        scale = _whole(path, declared["scale"])
        if scale < 1:
            raise DataError(f"{path} has the scale {scale}; values are divided by it, so it is 1 or more.")
        values = _sampled_values(masks) - {IGNORE_INDEX}
        # A class that the sampled masks happen to lack still has its value.
        regular = {index * scale: index for index in range(max(values, default=0) // scale + 1)}
        mapping = regular | {value: value // scale for value in sorted(values)}
    else:
        raise DataError(f'{path} is no label map; expected {{"scale": "3"}} or {{"map": {{"0": 0, "1": 255}}}}.')
    wrong = [index for index in mapping.values() if not 0 <= index <= IGNORE_INDEX]
    if wrong:
        raise DataError(f"{path} has the class {wrong[0]}; classes are 0 to {IGNORE_INDEX - 1}, 255 is ignored.")
    return mapping


def legend_from_ids(mapping: Mapping[int, int]) -> Legend:
    """Make a legend with made-up names for the ids of a mapping.

    Args:
        mapping: The class id of each value.

    Returns:
        The legend.
    """
    count = max((index for index in mapping.values() if index != IGNORE_INDEX), default=0) + 1
    return legend_from_names(_BINARY_NAMES if count <= 2 else [f"class {index}" for index in range(count)])


def read_class_names(path: Path) -> dict[int, str] | None:
    """Read class names by id from a JSON object {"0": "background", ...}.

    Args:
        path: The file.

    Returns:
        The names; None where the file is not there.

    Raises:
        DataError: The file holds something else.
    """
    if not path.is_file():
        return None
    return {_whole(path, index): check_name(name, str(path)) for index, name in _read_object(path).items()}


def mapping_from_values(masks: Sequence[Path]) -> dict[int, int] | None:
    """Take values as ids and 255 as ignored, like the trainer without a label map.

    Args:
        masks: The masks, of which 48 spread over all are read.

    Returns:
        The class id of each value; None where the masks hold no ids: 0 and 255 alone, or many values as noise makes.
    """
    values = _sampled_values(masks) - {IGNORE_INDEX}
    are_ids = max(values, default=0) in range(1, _MOST_UNMAPPED)
    return {index: index for index in range(max(values) + 1)} if are_ids else None


def _sampled_values(masks: Sequence[Path]) -> set[int]:
    values: set[int] = set()
    for path in masks[:: max(1, len(masks) // _SAMPLED)]:
        mask = read_mask(path)
        values |= set() if mask.has_colors else set(unique_values(mask.pixels[0]).tolist())
    return values


def _read_object(path: Path) -> dict[str, Any]:
    def unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # JSON keeps the last of two equal keys without a word.
        values = dict(pairs)
        if len(values) < len(pairs):
            raise DataError(f"{path} has a key twice: {', '.join(key for key, _ in pairs)}. Correct one of them.")
        return values

    try:
        declared = json.loads(read_text(path), object_pairs_hook=unrepeated)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(declared, dict):
        raise DataError(f'{path} holds no JSON object; expected one such as {{"scale": "3"}}.')
    return declared


def _whole(path: Path, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise DataError(f"{path} has {value!r} where a whole number is needed.") from None


def layout_from_channels(root: Path) -> Layout | None:
    """Read the channels with the label map that goes with them.

    Without a label map the values are ids and 255 is ignored, as in the trainer; masks of 0 and 255 are then read as
    two classes, and a note says so.

    Args:
        root: The folder of the dataset.

    Returns:
        The layout; None where the channels are not there.

    Raises:
        DataError: A label map cannot be read, or two of them differ.
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
    train, val = (root / LABEL_MAPS / f"{channel}_label_map.json" for channel in CHANNELS.values())
    if train.is_file():
        mapping: dict[int, int] | None = label_mapping_from_file(train, layout.masks)
        if val.is_file() and label_mapping_from_file(val, layout.masks) != mapping:
            raise DataError(f"{train} and {val} map values to different classes; write the masks of both in one way.")
    elif val.is_file():
        raise DataError(f"{val} is there and {train} is not: write the label map of the training channel too.")
    else:
        mapping = mapping_from_values(layout.masks)
    legend = legend_from_names(names) if names else legend_from_ids(mapping) if mapping else None
    notes: tuple[str, ...] = ()
    if mapping is not None and not names:
        classes = len(set(mapping.values()) - {IGNORE_INDEX})
        notes = (f'The masks hold {classes} classes; write {CLASS_NAMES} ({{"0": "background", ...}}) to name them.',)
    return Layout(
        layout.kind,
        root,
        splits,
        legend,
        label_mapping=mapping,
        problems=problems,
        notes=notes,
        names_declared=bool(names),
    )

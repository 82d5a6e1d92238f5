"""The label map of the managed cloud trainer: which value in a mask is which class."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overland.datasets.masks import read_mask, unique_values
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names

__all__ = ["label_mapping_from_file", "legend_from_ids", "mapping_from_values", "read_class_names"]

_SAMPLED = 48
_MOST_UNMAPPED = 200
_BINARY_NAMES = ("background", "foreground")


def label_mapping_from_file(path: Path, masks: Sequence[Path]) -> dict[int, int]:
    """The id of each value from a label map: {"scale": "3"}, or {"map": {"<id>": <value>}}.

    With a scale an id is the value divided by it, rounded down; the values are those of `masks`, of which 48 spread
    over all are read. 255 is ignored unless a map lists it. Raises `DataError` for anything else.
    """
    declared = _read_object(path)
    if set(declared) == {"map"} and isinstance(declared["map"], dict):
        mapping = {_whole(path, value): _whole(path, index) for index, value in declared["map"].items()}
        if len(mapping) < len(declared["map"]):
            raise DataError(f"{path} gives one value to two classes: {declared['map']}. Each class needs its own.")
    elif set(declared) == {"scale"}:
        mapping = _scaled(path, _whole(path, declared["scale"]), masks)
    else:
        raise DataError(f'{path} is no label map; expected {{"scale": "3"}} or {{"map": {{"0": 0, "1": 255}}}}.')
    wrong = [index for index in mapping.values() if not 0 <= index <= IGNORE_INDEX]
    if wrong:
        raise DataError(f"{path} has the class {wrong[0]}; classes are 0 to {IGNORE_INDEX - 1}, 255 is ignored.")
    return mapping


def legend_from_ids(mapping: Mapping[int, int]) -> Legend:
    """A legend with made-up names for the ids of a mapping."""
    count = max((index for index in mapping.values() if index != IGNORE_INDEX), default=0) + 1
    return legend_from_names(_BINARY_NAMES if count <= 2 else [f"class {index}" for index in range(count)])


def read_class_names(path: Path) -> dict[int, str] | None:
    """Class names by id from a JSON object {"0": "background", ...}; None when the file is not there."""
    if not path.is_file():
        return None
    return {_whole(path, index): str(name) for index, name in _read_object(path).items()}


def mapping_from_values(masks: Sequence[Path]) -> dict[int, int] | None:
    """Values as ids and 255 as ignored, which is what the trainer does without a label map.

    None where the masks hold no ids: 0 and 255 alone, or many values as noise makes them.
    """
    values = _sampled_values(masks) - {IGNORE_INDEX}
    are_ids = max(values, default=0) in range(1, _MOST_UNMAPPED)
    return {index: index for index in range(max(values) + 1)} if are_ids else None


def _scaled(path: Path, scale: int, masks: Sequence[Path]) -> dict[int, int]:
    if scale < 1:
        raise DataError(f"{path} has the scale {scale}; values are divided by it, so it is 1 or more.")
    values = _sampled_values(masks) - {IGNORE_INDEX}
    # A class that the sampled masks happen to lack still has its value.
    regular = {index * scale: index for index in range(max(values, default=0) // scale + 1)}
    return regular | {value: value // scale for value in sorted(values)}


def _sampled_values(masks: Sequence[Path]) -> set[int]:
    values: set[int] = set()
    for path in masks[:: max(1, len(masks) // _SAMPLED)]:
        mask = read_mask(path)
        values |= set() if mask.has_colors else set(unique_values(mask.pixels[0]).tolist())
    return values


def _read_object(path: Path) -> dict[str, Any]:
    try:
        declared = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(declared, dict):
        raise DataError(f'{path} holds no JSON object; expected one such as {{"scale": "3"}}.')
    return declared


def _whole(path: Path, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise DataError(f"{path} has {value!r} where a whole number is needed.") from None

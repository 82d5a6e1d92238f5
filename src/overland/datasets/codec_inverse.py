"""Class ids back to what a dataset's own masks hold: its values, or its colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.datasets.codec import LabelCodec
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color

__all__ = ["codes_of_ids", "mask_from_ids"]

Code = int | Color
Codes = dict[int, tuple[int, ...]]


def codes_of_ids(codec: LabelCodec) -> Codes:
    """What each id is written as: one value, or red, green, blue; ids that the masks cannot hold are not there.

    255 becomes what means "no label", the lowest value that is not negative where there are several, such as
    Cityscapes' 0. Raises `DataError` when a class has several, so that it is open which of them to write.
    """
    by_id: dict[int, list[Code]] = {}
    for code, index in _pairs(codec):
        by_id.setdefault(index, []).append(code)
    ignored = by_id.pop(IGNORE_INDEX, [])
    for index, codes in by_id.items():
        if len(codes) > 1:
            raise DataError(
                f"Class {index} is read from several values or colours ({', '.join(map(str, codes))}), so it is open "
                "which one to write. Name a dataset whose label_mapping gives each class one of them."
            )
    chosen = {index: codes[0] for index, codes in sorted(by_id.items())}
    if ignored:
        chosen[IGNORE_INDEX] = min(ignored, key=_least)
    return {index: code if isinstance(code, tuple) else (code,) for index, code in chosen.items()}


def mask_from_ids(codec: LabelCodec, ids: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """The mask (bands, height, width) that `codec` reads as these ids (height, width): one band, or three of colours.

    The type is the smallest that holds all values of the dataset. Raises `DataError` for an id that its masks cannot
    hold.
    """
    codes = codes_of_ids(codec)
    missing = np.setdiff1d(np.flatnonzero(np.bincount(ids.ravel(), minlength=256)), list(codes))
    if missing.size:
        raise DataError(_no_code(codec, int(missing[0])))
    table = np.zeros((256, len(next(iter(codes.values())))), _dtype(codes))
    for index, code in codes.items():
        table[index] = code
    return np.moveaxis(table[ids], -1, 0)


def _pairs(codec: LabelCodec) -> Iterable[tuple[Code, int]]:
    if codec.kind == "colors":
        return codec.colors
    if codec.kind == "ids":
        return [*((index, index) for index in range(codec.num_classes)), (IGNORE_INDEX, IGNORE_INDEX)]
    # 255 that is not listed means "no label" all the same.
    free = codec.kind == "mapping" and IGNORE_INDEX not in codec.mapping
    return [*codec.mapping.items(), *([(IGNORE_INDEX, IGNORE_INDEX)] if free else [])]


def _least(code: Code) -> tuple[bool, Code]:
    return isinstance(code, int) and code < 0, code


def _dtype(codes: Codes) -> type[np.generic]:
    values = [value for code in codes.values() for value in code]
    kinds = (np.uint8, np.uint16, np.int16)
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= min(values) and max(values) <= np.iinfo(kind).max)
    return next(fitting, np.int32)


def _no_code(codec: LabelCodec, index: int) -> str:
    what = "colour" if codec.kind == "colors" else "value"
    if index == IGNORE_INDEX:
        return (
            f"The map has pixels without a class, and the dataset has no {what} for them. "
            "Give them a class first; they are where the scene has no data."
        )
    return (
        f"The map has the class {index}, and the dataset has {codec.num_classes} classes: 0 to {codec.num_classes - 1}."
    )

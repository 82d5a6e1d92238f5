"""The label mapping: from the values or colours in a mask file to class ids, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import numpy as np

from overland.datasets.masks import Labels, Pixels, RawMask, color_codes, unique_values
from overland.errors import DataError
from overland.legend import IGNORE_INDEX, Color

__all__ = [
    "BINARIZE_AT",
    "LabelMapping",
    "codes_of_ids",
    "label_mapping_line",
    "mask_from_ids",
]


BINARIZE_AT = 128
_COLOR_TOLERANCE = 24


@dataclass(frozen=True)
class LabelMapping:
    """The reading of a dataset's masks as class ids, decided once for all of them.

    255 among the ids, and the nodata value that a file declares, mean "no label".

    Attributes:
        kind: `ids`: the values are class ids. `mapping`: `mapping` gives the id of each value; 255 is "no label" unless
            it is listed. `threshold`: `mapping` gives the id of 0 and of 255; values from 128 on count as 255, those
            below as 0. `colors`: `colors` gives the id of each colour, compared after binarising each channel at 128
            when all of them are made of 0 and 255, else by the nearest colour within a tolerance.
        num_classes: Number of classes.
        mapping: The class id of each value; 255 for "no label".
        colors: Each colour with its class id.
    """

    kind: Literal["ids", "mapping", "threshold", "colors"]
    num_classes: int
    mapping: Mapping[int, int] = field(default_factory=dict)
    colors: tuple[tuple[Color, int], ...] = ()

    def ids_from_mask(self, mask: RawMask) -> Labels:
        """Return the class ids of a mask.

        Args:
            mask: The mask as stored.

        Returns:
            Class ids (height, width), 255 where there is no label.

        Raises:
            DataError: The mask holds a value or a colour that is no class.
        """
        if self.kind == "colors":
            return _ids_from_colors(mask, self.colors)
        if mask.has_colors:
            raise DataError(
                f"{mask.path} holds colours, and the other masks of this dataset hold values. "
                "Save them all in one way, or declare the colours: palette: {0: [0, 0, 0], ...}"
            )
        band = mask.pixels[0]
        values = unique_values(band)
        ids = [self._id_from_value(value) for value in values.tolist()]
        unknown = [
            value for value, index in zip(values.tolist(), ids, strict=True) if index is None and value != mask.nodata
        ]
        if unknown:
            listed = ", ".join(str(value) for value in unknown[:8]) + (", ..." if len(unknown) > 8 else "")
            suggestion = label_mapping_line(dict.fromkeys(unknown[:8], IGNORE_INDEX))
            raise DataError(
                f"{mask.path} holds values that are no classes: {listed}. "
                f"If they mean 'no label', add to the dataset YAML: {suggestion}"
            )
        known = np.array([IGNORE_INDEX if index is None else index for index in ids], dtype=np.uint8)
        if band.dtype != np.uint8:
            return np.asarray(known[np.searchsorted(values, band)])
        table = np.zeros(256, np.uint8)
        table[values] = known
        return np.asarray(table[band])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON.

        Returns:
            The kind, the mapping of values, and each colour with its id.
        """
        return {
            "kind": self.kind,
            "mapping": {str(value): index for value, index in self.mapping.items()},
            "colors": [{"color": list(color), "id": index} for color, index in self.colors],
        }

    def _id_from_value(self, value: int) -> int | None:
        if self.kind == "threshold":
            return self.mapping[255 if value >= BINARIZE_AT else 0] if 0 <= value <= 255 else None
        if self.kind == "mapping" and value in self.mapping:
            return self.mapping[value]
        is_id = self.kind == "ids" and 0 <= value < self.num_classes
        return value if is_id or value == IGNORE_INDEX else None


def label_mapping_line(mapping: Mapping[int, int]) -> str:
    """Return the line of a dataset YAML that declares a mapping.

    Args:
        mapping: The class id of each value; 255 becomes ignore_label.

    Returns:
        Such as "label_mapping: {0: 0, 255: 1}".
    """
    items = (f"{value}: {'ignore_label' if index == IGNORE_INDEX else index}" for value, index in mapping.items())
    return f"label_mapping: {{{', '.join(items)}}}"


def _ids_from_colors(mask: RawMask, colors: tuple[tuple[Color, int], ...]) -> Labels:
    if all(channel in (0, 255) for color, _ in colors for channel in color):
        id_of = dict(colors)
        red, green, blue = (mask.rgb() >= BINARIZE_AT).astype(np.uint8)
        corner = red * 4 + green * 2 + blue
        corners: list[Color] = [(255 * r, 255 * g, 255 * b) for r, g, b in product((0, 1), repeat=3)]
        present = np.flatnonzero(np.bincount(corner.ravel(), minlength=8)).tolist()
        _refuse_colors(mask, [list(corners[index]) for index in present if corners[index] not in id_of])
        ids = np.array([id_of.get(color, IGNORE_INDEX) for color in corners], dtype=np.uint8)
        return np.asarray(ids[corner])
    codes = color_codes(mask.rgb())
    found = np.unique(codes)
    channels = np.stack([found >> 16 & 255, found >> 8 & 255, found & 255], axis=1).astype(np.int64)
    table = np.array([color for color, _ in colors], dtype=np.int64)
    distances = np.abs(channels[:, None] - table[None]).max(axis=2)
    _refuse_colors(mask, channels[distances.min(axis=1) > _COLOR_TOLERANCE].tolist())
    ids = np.array([index for _, index in colors], dtype=np.uint8)[distances.argmin(axis=1)]
    return np.asarray(ids[np.searchsorted(found, codes)])


def _refuse_colors(mask: RawMask, unknown: list[list[int]]) -> None:
    if unknown:
        listed = ", ".join(str(color) for color in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise DataError(
            f"{mask.path} holds colours that no class has: {listed}. "
            "Add them to the classes; was the mask saved as JPEG or resized with smoothing?"
        )


Code = int | Color
Codes = dict[int, tuple[int, ...]]


def codes_of_ids(label_mapping: LabelMapping) -> Codes:
    """Return the value or colour of each class id in a dataset's own masks.

    255 becomes what means "no label", the lowest value that is not negative where there are several, such as
    Cityscapes' 0.

    Args:
        label_mapping: The mapping that reads the masks.

    Returns:
        One value, or red, green and blue, of each id; ids that the masks cannot hold are not there.

    Raises:
        DataError: A class is read from several values, so that it is open which of them to write.
    """
    by_id: dict[int, list[Code]] = {}
    pairs: list[tuple[Code, int]]
    if label_mapping.kind == "colors":
        pairs = [*label_mapping.colors]
    elif label_mapping.kind == "ids":
        pairs = [*((index, index) for index in range(label_mapping.num_classes)), (IGNORE_INDEX, IGNORE_INDEX)]
    else:
        pairs = [*label_mapping.mapping.items()]
        if label_mapping.kind == "mapping" and IGNORE_INDEX not in label_mapping.mapping:
            # 255 that is not listed means "no label" all the same.
            pairs.append((IGNORE_INDEX, IGNORE_INDEX))
    for code, index in pairs:
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
        chosen[IGNORE_INDEX] = min(ignored, key=lambda code: (isinstance(code, int) and code < 0, code))
    return {index: code if isinstance(code, tuple) else (code,) for index, code in chosen.items()}


def mask_from_ids(label_mapping: LabelMapping, ids: Labels) -> Pixels:
    """Return the mask that a label mapping reads as the ids given.

    Args:
        label_mapping: The mapping.
        ids: Class ids (height, width).

    Returns:
        The mask (bands, height, width): one band, or three of colours, in the smallest type that holds all values.

    Raises:
        DataError: The masks of the dataset cannot hold one of the ids.
    """
    codes = codes_of_ids(label_mapping)
    missing = np.setdiff1d(np.flatnonzero(np.bincount(ids.ravel(), minlength=256)), list(codes))
    if missing.size:
        index, code = int(missing[0]), "colour" if label_mapping.kind == "colors" else "value"
        if index == IGNORE_INDEX:
            raise DataError(
                f"The map has pixels without a class, and the dataset has no {code} for them. "
                "Give them a class first; they are where the scene has no data."
            )
        count = label_mapping.num_classes
        raise DataError(f"The map has the class {index}, and the dataset has {count} classes: 0 to {count - 1}.")
    values = [value for written in codes.values() for value in written]
    kinds = (np.uint8, np.uint16, np.int16)
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= min(values) and max(values) <= np.iinfo(kind).max)
    table = np.zeros((256, len(next(iter(codes.values())))), next(fitting, np.int32))
    for index, written in codes.items():
        table[index] = written
    return np.moveaxis(table[ids], -1, 0)

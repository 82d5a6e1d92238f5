"""Which class each feature of a layer is: from a field of it, or one class for all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError, UsageError
from overland.legend import IGNORE_INDEX, Legend, legend_from_names
from overland.vector import Layer

__all__ = ["LEFT_OUT", "field_values", "layer_classes"]

logger = logging.getLogger("overland")

LEFT_OUT = -1
_SHOWN = 8

Ids = npt.NDArray[np.int64]


def layer_classes(layer: Layer, field: str | None, classes: Sequence[str] | None) -> tuple[Ids, Legend]:
    """The class id of each feature (`LEFT_OUT` for those of no class), and the legend.

    Without `field` all features are one class, called `classes[0]` or like the layer, on a background. With it,
    `classes` are values of the field in the order of the ids; the background is 0 unless they begin with one. Without
    `classes` whole numbers are ids as they are, and other values are classes in the order of the alphabet.
    Raises `UsageError` for options that do not go together, `DataError` for a field that does not hold classes.
    """
    if field is None:
        return _one_class(layer, classes)
    values = field_values(layer, field)
    if not classes and not any(_texts(values)):
        raise DataError(f"The field {field} of layer {layer.name} holds nothing; name the --classes of the map.")
    if classes:
        return _named_classes(values, field, classes)
    numbers = _whole_numbers(values)
    return _numbered_classes(numbers, field) if numbers is not None else _found_classes(values, field)


def field_values(layer: Layer, field: str) -> npt.NDArray[Any]:
    """The values of a field. Raises `DataError` naming the fields there are."""
    if field not in layer.fields:
        raise DataError(f"Layer {layer.name} has no field {field!r}; it has {', '.join(layer.fields) or 'none'}.")
    return layer.fields[field]


def _one_class(layer: Layer, classes: Sequence[str] | None) -> tuple[Ids, Legend]:
    if classes is not None and len(classes) != 1:
        raise UsageError(f"{len(classes)} classes were named, and no field that tells them apart: add --field.")
    name = classes[0] if classes else layer.name
    return np.ones(len(layer), np.int64), legend_from_names(["background", name])


def _named_classes(values: npt.NDArray[Any], field: str, classes: Sequence[str]) -> tuple[Ids, Legend]:
    legend = _on_background(classes)
    texts = _texts(values)
    id_of = {name: index for index, name in enumerate(legend.names)}
    ids = np.array([id_of.get(text, LEFT_OUT) for text in texts], np.int64)
    if len(ids) and (ids == LEFT_OUT).all():
        raise DataError(f"No feature has one of the classes {', '.join(classes)} in {field}; found {_some(texts)}.")
    if (ids == LEFT_OUT).any():
        logger.info("%d of %d features are of no class named, and left out.", (ids == LEFT_OUT).sum(), len(ids))
    return ids, legend


def _found_classes(values: npt.NDArray[Any], field: str) -> tuple[Ids, Legend]:
    names = sorted({text for text in _texts(values) if text})
    if len(names) >= IGNORE_INDEX:
        raise DataError(f"{field} holds {len(names)} values, and a class map {IGNORE_INDEX} at most: name --classes.")
    return _named_classes(values, field, names)


def _numbered_classes(numbers: npt.NDArray[np.float64], field: str) -> tuple[Ids, Legend]:
    known = numbers[np.isfinite(numbers)]
    if known.min() < 0 or known.max() >= IGNORE_INDEX:
        raise DataError(
            f"{field} holds numbers from {known.min():g} to {known.max():g}, and ids are 0 to {IGNORE_INDEX - 1}. "
            "List those that you want, in the order of their new ids: --classes 1100,2100"
        )
    legend = _on_background([f"class {index}" for index in range(1, int(known.max()) + 1)] or ["class 1"])
    return np.where(np.isfinite(numbers), numbers, LEFT_OUT).astype(np.int64), legend


def _on_background(classes: Sequence[str]) -> Legend:
    named = legend_from_names(classes)
    return named if named.background == 0 else legend_from_names(["background", *classes])


def _whole_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    if values.dtype.kind not in "iuf":
        return None
    numbers = values.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    return numbers if np.array_equal(known, np.rint(known)) else None


def _texts(values: npt.NDArray[Any]) -> list[str]:
    numbers = _whole_numbers(values)
    if numbers is not None:
        return [str(int(number)) if np.isfinite(number) else "" for number in numbers]
    return ["" if value is None else str(value) for value in values]


def _some(texts: Sequence[str]) -> str:
    different = sorted(set(texts))
    more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ", ".join(text or "(empty)" for text in different[:_SHOWN]) + more

"""Layer: geometries with their fields, as a vector file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import DataError

__all__ = ["Layer"]


@dataclass(frozen=True)
class Layer:
    """Features of one kind: an array of shapely geometries and one array of the same length for each field.

    `geometry_type` is what GDAL calls it: "Point", "LineString", "Polygon"; "Unknown" for a mixture. `crs` is an
    authority code or WKT; None when the coordinates are pixels (x = column, y = row).
    """

    name: str
    geometry_type: str
    geometries: npt.NDArray[Any]
    fields: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    crs: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometries", np.asarray(self.geometries, dtype=object))
        wrong = {name: len(values) for name, values in self.fields.items() if len(values) != len(self.geometries)}
        if wrong:
            raise DataError(
                f"Layer {self.name} has {len(self.geometries)} geometries, but its fields have {wrong} values."
            )

    def __len__(self) -> int:
        return len(self.geometries)

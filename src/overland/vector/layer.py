"""Layers of vector files, and the array types of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from overland.errors import DataError

__all__ = ["Bools", "Column", "Floats", "Geometries", "Ints", "Layer"]

Geometries = npt.NDArray[np.object_]
"""Shapely geometries (n,), dtype object."""
Column = npt.NDArray[np.generic]
"""The values of one field (n,): numbers, booleans, or text as objects."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Layer:
    """Features of one kind, as a layer of a vector file holds them.

    Raises:
        DataError: A field has not one value for each geometry.
    """

    name: str
    """The layer's name in a file that holds several."""
    geometry_type: str
    """The kind of geometry as GDAL calls it: "Point", "LineString", "Polygon"; "Unknown" for a mixture."""
    geometries: Geometries
    """Shapely geometries (n,), dtype object."""
    fields: Mapping[str, Column] = field(default_factory=dict)
    """The values of each field by its name, arrays (n,)."""
    crs: str | None = None
    """An authority code or WKT; None when the coordinates are pixels (x = column, y = row)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometries", np.asarray(self.geometries, dtype=object))
        wrong = {name: len(values) for name, values in self.fields.items() if len(values) != len(self.geometries)}
        if wrong:
            raise DataError(
                f"Layer {self.name} has {len(self.geometries)} geometries, but its fields have {wrong} values."
            )

    def __len__(self) -> int:
        return len(self.geometries)

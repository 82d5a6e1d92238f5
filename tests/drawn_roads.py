"""Road masks drawn from lines, so that the right graph is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

Line = Sequence[tuple[float, float]]


def mask_from_lines(lines: Sequence[Line], *, width: float, size: int = 200) -> npt.NDArray[np.bool_]:
    """Pixels whose centre is less than half of `width` from one of the lines (x = column, y = row), cut off square."""
    roads = [shapely.LineString(line).buffer(width / 2, cap_style="flat") for line in lines]
    shape = shapely.union_all(roads)
    shapely.prepare(shape)
    # A hair off, so that of two centres on the two sides of a road one is in: a road of 5 is 5 pixels wide.
    centers = np.arange(size) + 0.5 + 1e-6
    x, y = np.meshgrid(centers, centers)
    return np.asarray(shapely.contains_xy(shape, x, y), dtype=bool)

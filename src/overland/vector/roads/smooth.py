"""Paths of pixels to lines: the steps smoothed away, needless vertices dropped, ends fixed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter1d

from overland.vector.roads.trace import Path, path_distances

__all__ = ["line_from_path"]

_SIGMA_PIXELS = 2.0
# A wide road wobbles in proportion: its centre line is the mean of two ragged sides.
_SIGMA_HALF_WIDTHS = 0.5


def line_from_path(path: Path, *, pixel_m: float, simplify_m: float, is_ring: bool = False) -> shapely.LineString:
    """Smooth a path with a Gaussian along it, then simplify; the ends stay where they are unless it is a free ring.

    Source: Douglas & Peucker 1973 for the simplification.
    """
    points = _resampled(path[:, :2], pixel_m)
    sigma = max(_SIGMA_PIXELS, _SIGMA_HALF_WIDTHS * _median_half_width(path) / pixel_m)
    smooth = _smooth_ring(points, sigma) if is_ring else _smooth_between_ends(points, sigma)
    line = shapely.LineString(smooth)
    simple = shapely.simplify(line, simplify_m)
    # A loop smaller than the tolerance would shrink to its node.
    return line if simple.length == 0 else simple


def _median_half_width(path: Path) -> float:
    known = path[np.isfinite(path[:, 2]), 2]
    return float(np.median(known)) if len(known) else 0.0


def _resampled(points: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.float64]:
    along = path_distances(points)
    stops = np.linspace(0, along[-1], max(2, round(along[-1] / step) + 1))
    return np.column_stack([np.interp(stops, along, column) for column in points.T])


def _smooth_between_ends(points: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    # Mirrored through its end points, a line keeps them under the filter. A short line can be mirrored once only.
    width = min(len(points) - 1, int(4 * sigma) + 1)
    padded = np.pad(points, ((width, width), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = gaussian_filter1d(padded, min(sigma, width / 3), axis=0, truncate=3.0)[width:-width]
    smooth[[0, -1]] = points[[0, -1]]
    return np.asarray(smooth, dtype=float)


def _smooth_ring(points: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    smooth = gaussian_filter1d(points[:-1], sigma, axis=0, mode="wrap")
    return np.vstack([smooth, smooth[:1]])

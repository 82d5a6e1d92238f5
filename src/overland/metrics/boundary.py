"""Boundary IoU: how well the outlines of each class agree, whatever its area."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_cdt

from overland.errors import DataError, UsageError
from overland.legend import Legend

__all__ = ["BoundaryCounts", "band_pixels", "boundary_counts"]

Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[Any]


class BoundaryCounts:
    """Intersections and unions of the bands along the outlines of each class, summed over the images added.

    `band` is the width of the bands as `band_pixels` reads it; raises `UsageError` when it is none.
    """

    def __init__(self, legend: Legend, band: str | int) -> None:
        band_pixels(band, 1, 1)
        self._legend = legend
        self._band = str(band)
        self._counts = np.zeros((legend.num_classes, 2), dtype=np.int64)
        self._support = np.zeros(legend.num_classes, dtype=np.int64)

    def add(self, target: Ids, mask: Ids, ignore_index: int, scores: npt.NDArray[Any] | None = None) -> None:
        """Count one image: class ids (height, width); `scores` are not looked at."""
        classes = self._legend.num_classes
        width = band_pixels(self._band, *target.shape)
        self._counts += boundary_counts(target, mask, classes, width=width, ignore_index=ignore_index)
        self._support += np.bincount(target[target != ignore_index], minlength=classes)

    def scores(self) -> dict[str, Any]:
        """Boundary IoU of each class over all images together (pooled), and its means over classes in the truth."""
        iou = [both / either if either else math.nan for both, either in self._counts.tolist()]
        present = [index for index, count in enumerate(self._support) if count]
        of_interest = [index for index in present if index != self._legend.background]
        values: dict[str, Any] = {
            "averaging": "pooled",
            "band": self._band,
            "miou": _mean([iou[index] for index in present]),
            "miou_without_background": _mean([iou[index] for index in of_interest]),
            "classes": dict(zip(self._legend.names, iou, strict=True)),
        }
        return values | ({"iou": iou[1]} if self._legend.is_binary else {})


def boundary_counts(
    target: Ids, mask: Ids, num_classes: int, *, width: int, ignore_index: int
) -> npt.NDArray[np.int64]:
    """Count what boundary IoU is made of, so that images can be added up.

    The band of a class is its pixels at most `width` pixels, corners included, inside its outline or the image's edge.
    Returns (num_classes, 2): pixels in both bands, that of the truth and that of the prediction, and in either. Pixels
    of `ignore_index` are left out and make no outline. Raises `DataError` when the shapes differ.
    Source: Cheng et al., Boundary IoU, 2021; as in its code, distances are counted in steps to any of 8 neighbours.
    """
    if target.shape != mask.shape:
        raise DataError(f"Truth and prediction must have one shape; got {target.shape} and {mask.shape}.")
    ignored = target == ignore_index
    counts = np.zeros((num_classes, 2), dtype=np.int64)
    for index in range(num_classes):
        truth, found = ((ids == index) & ~ignored for ids in (target, mask))
        if truth.any() or found.any():
            bands = _band(truth, ignored, width), _band(found, ignored, width)
            counts[index] = (bands[0] & bands[1]).sum(), (bands[0] | bands[1]).sum()
    return counts


def band_pixels(band: str | int, height: int, width: int) -> int:
    """Width of a band in pixels: a number of them (3), or a share of an image's diagonal ("2%"), at least 1.

    Raises `UsageError` for anything else.
    """
    text = str(band).strip()
    try:
        share = float(text.removesuffix("%")) / 100 * math.hypot(height, width) if text.endswith("%") else int(text)
    except ValueError:
        share = 0
    if not 0 < share < math.inf:
        raise UsageError(
            f"A band is a number of pixels, such as 3, or a share of the diagonal, such as 2%; got {band}."
        )
    return max(1, round(share))


def _band(members: Mask, ignored: Mask, width: int) -> Mask:
    # What lies beyond the image is no member, so its edge is an outline as well; what has no label may be one.
    inside = np.pad(members | ignored, 1)
    return np.asarray(members & (distance_transform_cdt(inside, "chessboard")[1:-1, 1:-1] <= width))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan

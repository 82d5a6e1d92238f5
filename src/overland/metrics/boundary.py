"""Boundary IoU: how well the outlines of each class agree, whatever its area."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_cdt

from overland.errors import DataError, UsageError
from overland.legend import Legend
from overland.metrics.arrays import Bools, Ids, Ints, Probabilities

__all__ = ["BoundaryCounts", "boundary_counts", "boundary_pixels"]


class BoundaryCounts:
    """Intersections and unions of the margins along the outlines of each class, summed over the images added.

    Args:
        legend: The classes.
        width: Width of the margins, as `boundary_pixels` reads it.

    Raises:
        UsageError: The width is none.
    """

    def __init__(self, legend: Legend, width: str | int) -> None:
        boundary_pixels(width, 1, 1)
        self._legend = legend
        self._width = str(width)
        self._counts = np.zeros((legend.num_classes, 2), dtype=np.int64)

    def add(self, truth: Ids, prediction: Ids, ignore_index: int, probabilities: Probabilities | None = None) -> None:
        """Count one image.

        Args:
            truth: True class ids (height, width).
            prediction: Predicted class ids (height, width).
            ignore_index: Pixels with this true id are left out.
            probabilities: Not looked at.
        """
        height, width = truth.shape
        pixels = boundary_pixels(self._width, height, width)
        self._counts += boundary_counts(
            truth, prediction, self._legend.num_classes, width=pixels, ignore_index=ignore_index
        )

    def scores(self) -> dict[str, Any]:
        """Score all images together (pooled).

        Returns:
            `classes`, the boundary IoU of each class by its name; `miou`, its mean over classes that occur in the truth
            or the prediction, `miou_without_background`, and with a binary legend `iou` of class 1; `width`. 0 to 1;
            NaN for a score that does not exist.
        """
        iou = [both / either if either else math.nan for both, either in self._counts.tolist()]
        present = [index for index, (_, either) in enumerate(self._counts.tolist()) if either]
        of_interest = [index for index in present if index != self._legend.background]
        values: dict[str, Any] = {
            "averaging": "pooled",
            "width": self._width,
            "miou": _mean([iou[index] for index in present]),
            "miou_without_background": _mean([iou[index] for index in of_interest]),
            "classes": dict(zip(self._legend.names, iou, strict=True)),
        }
        return values | ({"iou": iou[1]} if self._legend.is_binary else {})


def boundary_counts(truth: Ids, prediction: Ids, num_classes: int, *, width: int, ignore_index: int) -> Ints:
    """Count the pixels that boundary IoU is made of, so that images can be added up.

    The margin of a class is its pixels that are at most `width` pixels inside its outline or the image's edge.

    Args:
        truth: True class ids (height, width).
        prediction: Predicted class ids (height, width).
        num_classes: Number of classes.
        width: Width of the margin in pixels, corners included.
        ignore_index: Pixels with this true id are left out and make no outline.

    Returns:
        Numbers (num_classes, 2): pixels in both margins, that of the truth and that of the prediction, and in either.

    Raises:
        DataError: The shapes differ.

    Source: Cheng et al. 2021, Boundary IoU: improving object-centric image segmentation evaluation, CVPR; as in its
        code, distances are counted in steps to any of 8 neighbours.
    """
    if truth.shape != prediction.shape:
        raise DataError(f"Truth and prediction must have one shape; got {truth.shape} and {prediction.shape}.")
    ignored = truth == ignore_index
    counts = np.zeros((num_classes, 2), dtype=np.int64)
    for index in range(num_classes):
        true, found = ((ids == index) & ~ignored for ids in (truth, prediction))
        if true.any() or found.any():
            margins = _margin(true, ignored, width), _margin(found, ignored, width)
            counts[index] = (margins[0] & margins[1]).sum(), (margins[0] | margins[1]).sum()
    return counts


def boundary_pixels(given: str | int, height: int, width: int) -> int:
    """Read the width of the margins of boundary IoU.

    Args:
        given: A number of pixels (3), or a fraction of the image's diagonal ("2%").
        height: Rows of the image.
        width: Columns of the image.

    Returns:
        The width in pixels, at least 1.

    Raises:
        UsageError: It is something else.
    """
    text = str(given).strip()
    try:
        pixels = float(text.removesuffix("%")) / 100 * math.hypot(height, width) if text.endswith("%") else int(text)
    except ValueError:
        pixels = 0
    if not 0 < pixels < math.inf:
        raise UsageError(
            "The width of a boundary is a number of pixels, such as 3, or a fraction of the diagonal, such as 2%; got "
            f"{given}."
        )
    return max(1, round(pixels))


def _margin(members: Bools, ignored: Bools, width: int) -> Bools:
    # What lies beyond the image is no member, so its edge is an outline as well; what has no label may be one.
    inside = np.pad(members | ignored, 1)
    return np.asarray(members & (distance_transform_cdt(inside, "chessboard")[1:-1, 1:-1] <= width))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan

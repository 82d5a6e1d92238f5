"""Labels that are shifted against the images: the best offset between mask borders and image edges.

Edges and borders are correlated block by block for every offset up to 24 pixels; a peak of the mean is believed where
it is high, has no rival, and stays in its place when the blocks are resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from overland.datasets.issue import Issue
from overland.datasets.masks import Labels, Pixels, Valid
from overland.legend import IGNORE_INDEX

__all__ = ["Lags", "Offset", "check_shift", "correlations", "estimate_offset"]

Lags = npt.NDArray[np.float32]
"""Correlations (49, 49) by offset, with offset zero in the middle."""
Plane = npt.NDArray[np.float32]

_RADIUS = 24
_BLOCK = 512
_MOST_BLOCKS = 3
_PEAK_HALF_WIDTH = 4
_RESAMPLES = 24
# Measured on road, land-cover and street sets: true peaks, shifted or not, reach 6 to 15 and
# noise 2.5 to 5 standard deviations.
_MIN_BLOCKS = 4
_MIN_STRENGTH = 5.5
_MAX_RIVAL = 0.7
_MAX_AT_ZERO = 0.7
_MIN_AGREEMENT = 0.8
_MIN_PX = 2.0


@dataclass(frozen=True)
class Offset:
    """Offset of the labels from their objects in the image.

    Attributes:
        right: Pixels to the right.
        down: Pixels down.
        strength: Height of the correlation's peak in its standard deviations.
        agreement: Fraction of the resampled sets of images that have the peak in the same place.
        is_sure: True where both, and the lack of a rival peak, are enough to believe it.
    """

    right: int
    down: int
    strength: float
    agreement: float
    is_sure: bool

    @property
    def pixels(self) -> float:
        """Length of the offset."""
        return float(np.hypot(self.right, self.down))


def correlations(image: Pixels, labels: Labels, valid: Valid) -> list[Lags]:
    """Correlate image edges with mask borders for every offset up to 24 pixels, block by block.

    Args:
        image: An image (bands, height, width).
        labels: Its class ids (height, width).
        valid: Where it holds data (height, width).

    Returns:
        The correlations of each block that has a border and an edge.
    """
    slices = []
    for size in labels.shape:
        count = max(1, min(_MOST_BLOCKS, round(size / _BLOCK)))
        block = min(size // count, _BLOCK)
        start = (size - count * block) // 2
        slices.append([slice(start + index * block, start + (index + 1) * block) for index in range(count)])
    results = []
    for rows, cols in product(*slices):
        borders = _borders(labels[rows, cols])
        grey = image[:, rows, cols].mean(axis=0, dtype=np.float32)
        known = valid[rows, cols]
        along_rows, along_cols = np.gradient(ndimage.gaussian_filter(np.where(known, grey, 0), 1.0))
        edges = np.hypot(along_rows, along_cols) * known
        # A few very bright edges (roofs, cars) would otherwise outvote all others.
        edges = np.asarray(np.minimum(edges, np.percentile(edges, 98)), dtype=np.float32)
        if borders.any() and edges.any():
            shape = [fft.next_fast_len(size + _RADIUS, real=True) for size in edges.shape]
            spectrum = fft.rfft2(edges - edges.mean(), shape) * np.conj(fft.rfft2(borders - borders.mean(), shape))
            # Half-way to phase correlation: flatter spectra make the peak narrow, full whitening would drown it in
            # noise.
            spectrum /= np.sqrt(np.abs(spectrum)) + 1e-6
            lags = fft.irfft2(spectrum, shape)
            lags = np.roll(lags, (_RADIUS, _RADIUS), axis=(0, 1))[: 2 * _RADIUS + 1, : 2 * _RADIUS + 1]
            results.append(np.asarray(lags / max(float(np.abs(lags).max()), 1e-12), dtype=np.float32))
    return results


def estimate_offset(evidence: Sequence[Lags]) -> Offset | None:
    """Find the offset at which labels fit the images best.

    Args:
        evidence: The correlations of all blocks.

    Returns:
        The offset; None where there are too few blocks to tell.
    """
    if len(evidence) < _MIN_BLOCKS:
        return None
    stack = np.stack(evidence)
    mean = stack.mean(axis=0)
    peak = _argmax(mean)
    height = float(mean[peak])
    strength = (height - float(mean.mean())) / max(float(mean.std()), 1e-12)
    rng = np.random.default_rng(0)
    draws = (stack[rng.integers(len(stack), size=len(stack))].mean(axis=0) for _ in range(_RESAMPLES))
    near = [np.hypot(*np.subtract(_argmax(draw), peak)) <= 1.5 for draw in draws]
    agreement = float(np.mean(near))
    far = mean.copy()
    far[tuple(slice(max(0, at - _PEAK_HALF_WIDTH), at + _PEAK_HALF_WIDTH + 1) for at in peak)] = -np.inf
    rival = float(far.max())
    # The peak says where the borders should go; the labels lie the other way.
    down, right = _RADIUS - peak[0], _RADIUS - peak[1]
    is_near = np.hypot(right, down) < _MIN_PX
    is_sure = (
        strength >= _MIN_STRENGTH
        and agreement >= _MIN_AGREEMENT
        and rival <= _MAX_RIVAL * height
        and (is_near or mean[_RADIUS, _RADIUS] <= _MAX_AT_ZERO * height)
        and max(abs(right), abs(down)) < _RADIUS
    )
    return Offset(right, down, strength, agreement, bool(is_sure))


def check_shift(offset: Offset | None) -> list[Issue]:
    """Report labels that lie 2 pixels or more off the image, where the evidence is sure.

    Args:
        offset: The offset found.

    Returns:
        One issue or none.
    """
    if offset is None or not offset.is_sure or offset.pixels < _MIN_PX:
        return []
    across = f"{abs(offset.right)} px to the {'right' if offset.right > 0 else 'left'}"
    along = f"{abs(offset.down)} px {'down' if offset.down > 0 else 'up'}"
    message = (
        f"Labels are shifted against the images by ({offset.right}, {offset.down}) pixels: {across}, {along} "
        f"(peak of {offset.strength:.1f} standard deviations, {offset.agreement:.0%} of the resampled images agree). "
        f"Move the masks by ({-offset.right}, {-offset.down}), or look for another registration of one of the two."
    )
    return [Issue("warning", "shifted-labels", message)]


def _borders(labels: Labels) -> Plane:
    borders = np.zeros(labels.shape, np.float32)
    for first, second in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        one, other = labels[first], labels[second]
        # The border of the unlabelled area is where the data end, nothing on the ground.
        differs = 0.5 * ((one != other) & (one != IGNORE_INDEX) & (other != IGNORE_INDEX))
        borders[first] += differs
        borders[second] += differs
    return np.minimum(borders, np.float32(1))


def _argmax(lags: Lags) -> tuple[int, int]:
    row, col = np.unravel_index(int(lags.argmax()), lags.shape)
    return int(row), int(col)

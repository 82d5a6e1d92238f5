"""Augmentation that moves image and labels together: one affine warp and one colour matrix for each chip.

An augmentation of your own is given to `ol.train(augment=...)`, which calls it on each chip after these two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from overland.datasets.masks import Labels, Pixels
from overland.errors import import_extra
from overland.geo.grid import Window
from overland.legend import IGNORE_INDEX

__all__ = [
    "Augmentation",
    "chip_matrix",
    "color_matrix",
    "cut_chip",
    "fixed_chip_matrix",
    "resize_pair",
]

Matrix = npt.NDArray[np.float64]
"""An affine matrix (2, 3) from chip pixels (x, y) to image pixels."""

_BANDS_A_WARP = 4  # OpenCV's border handling takes at most four channels at once.


@dataclass(frozen=True)
class Augmentation:
    """Limits of the difference between chips and the image they are cut from; the defaults change nothing.

    Attributes:
        fliplr: Mirror left to right, half of the time.
        flipud: Mirror upside down, half of the time.
        rotate: Largest angle in degrees.
        scale: Largest factor of size; 1 for none.
        color: Strength of changes of brightness, contrast and saturation; 0 for none.
        shrink: Largest factor by which a chip is made smaller; None for that of `scale`.
        effects: Strength of `camera_effects`; 0 for none.
    """

    fliplr: bool = False
    flipud: bool = False
    rotate: float = 0.0
    scale: float = 1.0
    color: float = 0.0
    shrink: float | None = None
    effects: float = 0.0


def chip_matrix(
    rng: np.random.Generator, augmentation: Augmentation, height: int, width: int, chip_size: int
) -> Matrix:
    """Draw where a chip lies in an image.

    The centre is drawn so that an upright chip stays inside the image where the image is large enough.

    Args:
        rng: The chip's random generator.
        augmentation: The limits of turning, scaling and mirroring.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        chip_size: Side of the chip in pixels.

    Returns:
        A matrix (2, 3) from chip pixels (x, y) to image pixels.
    """
    linear, zoom = _draw_linear(rng, augmentation)
    # Half of the chip's reach, from the centre of its first pixel.
    margin = (chip_size / zoom - 1) / 2
    center = np.array(
        [
            rng.uniform(margin, side - 1 - margin) if margin < side - 1 - margin else (side - 1) / 2
            for side in (width, height)
        ]
    )
    return _matrix_around(center, linear, chip_size)


def fixed_chip_matrix(rng: np.random.Generator, augmentation: Augmentation, window: Window) -> Matrix:
    """Draw how a square chip is turned, scaled and mirrored on a fixed window of an image.

    Args:
        rng: The chip's random generator.
        augmentation: The limits of turning, scaling and mirroring.
        window: The window, a square.

    Returns:
        A matrix (2, 3) from chip pixels (x, y) to image pixels.
    """
    linear, _ = _draw_linear(rng, augmentation)
    center = np.array([window.col_off + (window.width - 1) / 2, window.row_off + (window.height - 1) / 2])
    return _matrix_around(center, linear, window.height)


def cut_chip(
    image: Pixels,
    labels: Labels,
    matrix: Matrix,
    chip_size: int,
    *,
    pad: bool = False,
) -> tuple[Pixels, Labels]:
    """Cut a chip out of an image and its labels.

    The image is interpolated, and averaged where it is shrunk; ids never are. Beyond the border both are mirrored, or
    with `pad` the image is zero and without a label.

    Args:
        image: The image (height, width, bands).
        labels: Its class ids (height, width).
        matrix: A matrix of `chip_matrix`.
        chip_size: Side of the chip in pixels.
        pad: Fill with zeros without a label beyond the border.

    Returns:
        The chip (chip_size, chip_size, bands) and its labels (chip_size, chip_size).

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = import_extra("cv2", "train", "Augmentation")

    # Up to a factor of one and a half, interpolation alone takes in nearly every pixel.
    steps = max(1, round(math.sqrt(abs(np.linalg.det(matrix[:, :2])))))

    def warp(pixels: Pixels, interpolation: int, beyond: int = 0, steps: int = 1) -> Pixels:
        border = cv2.BORDER_CONSTANT if pad else cv2.BORDER_REFLECT_101
        flags, size = interpolation | cv2.WARP_INVERSE_MAP, (chip_size * steps, chip_size * steps)
        # The matrix of a chip with `steps` x `steps` pixels in place of each, over the same ground.
        linear, offset = matrix[:, :2], matrix[:, 2]
        finer = np.column_stack([linear / steps, offset - linear @ np.full(2, (steps - 1) / (2 * steps))])
        warped = cv2.warpAffine(pixels, finer, size, flags=flags, borderMode=border, borderValue=(beyond,) * 4)
        if steps > 1:
            warped = cv2.resize(warped, (chip_size, chip_size), interpolation=cv2.INTER_AREA)
        return np.asarray(warped)

    bands = image.shape[2]
    groups = [
        warp(np.ascontiguousarray(image[:, :, first : first + _BANDS_A_WARP]), cv2.INTER_LINEAR, 0, steps)
        for first in range(0, bands, _BANDS_A_WARP)
    ]
    chip = np.concatenate([group.reshape(chip_size, chip_size, -1) for group in groups], axis=2)
    return chip, warp(labels, cv2.INTER_NEAREST, IGNORE_INDEX)


def resize_pair(image: Pixels, labels: Labels, side: int, *, nearest: bool) -> tuple[Pixels, Labels]:
    """Resize an image and its labels to a square, whatever their shape.

    Args:
        image: The image (height, width, bands).
        labels: Its class ids (height, width).
        side: Side of the square in pixels.
        nearest: Take the image's nearest pixels instead of bilinear ones (without a filter against aliasing); ids are
            always the nearest.

    Returns:
        The image (side, side, bands) and its labels (side, side).

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = import_extra("cv2", "train", "Resizing")
    bands = [
        cv2.resize(
            np.ascontiguousarray(band), (side, side), interpolation=cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        )
        for band in np.moveaxis(image, 2, 0)
    ]
    return np.stack(bands, axis=2), cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)


def color_matrix(
    rng: np.random.Generator, strength: float, bands: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draw a change of colour for scaled pixels.

    Contrast and saturation change by a factor of up to 1 +- `strength`, brightness by up to `strength` standard
    deviations for all bands together and a fifth of it for each.

    Args:
        rng: The chip's random generator.
        strength: Strength of the change, from 0.
        bands: Number of bands.

    Returns:
        A matrix (bands, bands) and an offset (bands,).
    """
    contrast, saturation = rng.uniform(1 - strength, 1 + strength, size=2)
    grey = np.full((bands, bands), 1 / bands)
    matrix = contrast * (saturation * np.eye(bands) + (1 - saturation) * grey)
    offset = rng.uniform(-strength, strength) + rng.uniform(-strength, strength, size=bands) / 5
    return matrix.astype(np.float32), offset.astype(np.float32)


def _draw_linear(rng: np.random.Generator, augmentation: Augmentation) -> tuple[Matrix, float]:
    angle = math.radians(rng.uniform(-augmentation.rotate, augmentation.rotate))
    shrink = augmentation.scale if augmentation.shrink is None else augmentation.shrink
    zoom = math.exp(rng.uniform(-math.log(shrink), math.log(augmentation.scale)))
    signs = [-1.0 if allowed and rng.random() < 0.5 else 1.0 for allowed in (augmentation.fliplr, augmentation.flipud)]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag(signs) / zoom, zoom


def _matrix_around(center: Matrix, linear: Matrix, chip_size: int) -> Matrix:
    return np.column_stack([linear, center - linear @ np.full(2, (chip_size - 1) / 2)])

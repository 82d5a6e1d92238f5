"""Augmentation that moves image and mask together: one affine warp and one colour matrix for each chip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.errors import import_extra

__all__ = ["Augmentation", "chip_matrix", "color_matrix", "cut_chip"]

_BANDS_A_WARP = 4  # OpenCV's border handling takes at most four channels at once.


@dataclass(frozen=True)
class Augmentation:
    """How far chips may differ from the image they are cut from; the defaults change nothing.

    `rotate` is the largest angle in degrees, `scale` the largest factor of size (1 for none), `color` the strength of
    changes of brightness, contrast and saturation (0 for none).
    """

    mirror: bool = False
    flip: bool = False
    rotate: float = 0.0
    scale: float = 1.0
    color: float = 0.0


def chip_matrix(
    rng: np.random.Generator, augmentation: Augmentation, height: int, width: int, chip_size: int
) -> npt.NDArray[np.float64]:
    """Draw where a chip lies in an image of a size: a matrix (2, 3) from chip pixels (x, y) to image pixels.

    The centre is drawn so that an upright chip stays inside the image where the image is large enough.
    """
    angle = math.radians(rng.uniform(-augmentation.rotate, augmentation.rotate))
    zoom = math.exp(rng.uniform(-1, 1) * math.log(augmentation.scale))
    signs = [-1.0 if allowed and rng.random() < 0.5 else 1.0 for allowed in (augmentation.mirror, augmentation.flip)]
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag(signs) / zoom
    center = np.array([_draw_center(rng, side, chip_size / zoom) for side in (width, height)])
    middle = np.full(2, (chip_size - 1) / 2)
    return np.column_stack([linear, center - linear @ middle])


def cut_chip(
    image: npt.NDArray[Any], target: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], chip_size: int
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Cut a chip out of an image (height, width, bands) and its target (height, width) by a `chip_matrix`.

    The image is interpolated, ids never are; beyond the border both are mirrored. Returns (chip_size, chip_size, bands)
    and (chip_size, chip_size). Raises `MissingExtraError` without OpenCV.
    """
    cv2 = import_extra("cv2", "train", "Augmentation")

    def warp(pixels: npt.NDArray[Any], interpolation: int) -> npt.NDArray[Any]:
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(pixels, matrix, (chip_size, chip_size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        )

    bands = image.shape[2]
    groups = [
        warp(np.ascontiguousarray(image[:, :, first : first + _BANDS_A_WARP]), cv2.INTER_LINEAR)
        for first in range(0, bands, _BANDS_A_WARP)
    ]
    chip = np.concatenate([group.reshape(chip_size, chip_size, -1) for group in groups], axis=2)
    return chip, warp(target, cv2.INTER_NEAREST)


def color_matrix(
    rng: np.random.Generator, strength: float, bands: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draw a change of colour for scaled pixels: a matrix (bands, bands) and an offset (bands,).

    Contrast and saturation change by a factor of up to 1 +- `strength`, brightness by up to `strength` standard
    deviations for all bands together and a fifth of it for each.
    """
    contrast, saturation = rng.uniform(1 - strength, 1 + strength, size=2)
    grey = np.full((bands, bands), 1 / bands)
    matrix = contrast * (saturation * np.eye(bands) + (1 - saturation) * grey)
    offset = rng.uniform(-strength, strength) + rng.uniform(-strength, strength, size=bands) / 5
    return matrix.astype(np.float32), offset.astype(np.float32)


def _draw_center(rng: np.random.Generator, side: int, reach: float) -> float:
    low, high = (reach - 1) / 2, side - 1 - (reach - 1) / 2
    return rng.uniform(low, high) if low < high else (side - 1) / 2

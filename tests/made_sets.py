"""Small datasets with known content, written where a test wants them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = (24, 32)


def make_image(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An image (height, width, 3) that no other seed gives."""
    return np.random.default_rng(seed).integers(10, 240, (*size, 3), dtype=np.uint8)


def make_mask(size: tuple[int, int] = SIZE, high: int = 1) -> np.ndarray:
    """A mask of 0 with one quarter of `high` (columns 8 to 15 of 32)."""
    mask = np.zeros(size, np.uint8)
    mask[:, 8:16] = high
    return mask


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def write_set(
    root: Path, yaml: str | None = "names: {0: background, 1: road}", high: int = 1, train: int = 4, val: int = 2
) -> Path:
    """Write images/SPLIT/img-N.png and masks/SPLIT/img-N.png with a data.yaml; val images start at N = 100."""
    for split, first, count in (("train", 0, train), ("val", 100, val)):
        for index in range(first, first + count):
            save(root / "images" / split / f"img-{index}.png", make_image(index))
            save(root / "masks" / split / f"img-{index}.png", make_mask(high=high))
    if yaml is not None:
        splits = "path: .\ntrain: images/train\n" + ("val: images/val\n" if val else "")
        (root / "data.yaml").write_text(f"{splits}masks_dir: masks\n{yaml}\n")
    return root


def real_data() -> Path:
    """The folder of real imagery; skips the test where OVERLAND_DATA does not name it."""
    folder = os.environ.get("OVERLAND_DATA")
    if not folder:
        pytest.skip("OVERLAND_DATA does not name a folder of real imagery")
    return Path(folder)

"""Small made scenes whose right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine

from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, write_class_map

ROAD_LEGEND = legend_from_names(["background", "road"])


def utm_grid(height: int, width: int, resolution_m: float = 1.0) -> Grid:
    """A grid in a projected CRS with metres."""
    return Grid(
        height=height,
        width=width,
        transform=Affine(resolution_m, 0, 500_000, 0, -resolution_m, 5_200_000),
        crs="EPSG:32633",
    )


def bright_roads(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (3, height, width) of noise with bright bars, and the mask that says where they are."""
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 90, (3, height, width), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(2):
        row, col = rng.integers(4, height - 10), rng.integers(4, width - 10)
        mask[row : row + 6] = 1
        mask[:, col : col + 6] = 1
    image[:, mask == 1] += 120
    return image, mask


def write_image(path: Path, image: np.ndarray, grid: Grid | None = None) -> Path:
    """Write pixels (bands, height, width) as a raster."""
    grid = grid or Grid(height=image.shape[1], width=image.shape[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    with create_raster(path, grid, count=image.shape[0], dtype=str(image.dtype)) as writer:
        writer.write(image, grid.window)
    return path


def write_road_dataset(folder: Path, *, train: int = 4, val: int = 2, side: int = 96) -> Path:
    """A dataset of bright roads in images/ and masks/ with the splits train and val."""
    for split, count, first in (("train", train, 0), ("val", val, 100)):
        for number in range(count):
            image, mask = bright_roads(first + number, side, side)
            grid = utm_grid(side, side)
            write_image(folder / "images" / split / f"{split}{number}.tif", image, grid)
            path = folder / "masks" / split / f"{split}{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_class_map(path, mask, grid, ROAD_LEGEND)
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames: {0: background, 1: road}\n"
    )
    return folder

"""Prediction with TorchGeo's parts: RasterDataset, GridGeoSampler and DataLoader. Runs where torchgeo is.

    python torchgeo_predict.py MODEL SCENE OUTPUT [STRIDE]

TorchGeo 0.8 predicts batches; how they become a map is left to its user. Its own GeoDataModule samples validation and
test scenes with a stride of the chip's size and in batches of 1: so does this loop by default, and each chip's classes
are put in their place. With a smaller stride the probabilities of overlapping chips are averaged.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import rasterio
import torch
from network import ScaledNetwork, measured, network_of_bundle

from torch.utils.data import DataLoader  # isort: skip - torchvision is importable only now
from torchgeo.datasets import RasterDataset, stack_samples  # isort: skip
from torchgeo.samplers import GridGeoSampler  # isort: skip

CHIP = 512


class Scenes(RasterDataset):
    """One GeoTIFF as TorchGeo's users declare it."""

    filename_glob = "*.tif"
    is_image = True


def main() -> None:
    """Predict one scene and print what that took."""
    model, scene, output, *stride = sys.argv[1:]
    network, classes = network_of_bundle(Path(model))
    measured(
        lambda: predict(network, classes, scene, output, int(stride[0]) if stride else CHIP),
        version=f"torchgeo {version('torchgeo')}",
    )


def predict(network: ScaledNetwork, classes: int, scene: str, output: str, stride: int) -> None:
    """Write the class map of a scene."""
    dataset = Scenes(scene)
    loader = DataLoader(
        dataset, batch_size=1, sampler=GridGeoSampler(dataset, size=CHIP, stride=stride), collate_fn=stack_samples
    )
    with rasterio.open(scene) as source:
        profile, transform = source.profile, source.transform
    sums = np.zeros((classes, profile["height"], profile["width"]), np.float32)
    for batch in loader:
        with torch.inference_mode():
            scores = network(batch["image"] / 255).softmax(dim=1).numpy()
        for chip, bounds in zip(scores, batch["bounds"], strict=True):
            _add(sums, chip, _corner(bounds, transform))
    profile |= {"count": 1, "dtype": "uint8", "nodata": None}
    with rasterio.open(output, "w", **profile) as target:
        # A mean over equally weighted chips has the largest class of their sum.
        target.write(sums.argmax(axis=0).astype(np.uint8), 1)


def _corner(bounds: tuple[slice, slice, slice], transform: rasterio.Affine) -> tuple[int, int]:
    across, down, _ = bounds
    col, row = ~transform * (across.start, down.stop)
    return round(row), round(col)


def _add(sums: np.ndarray, chip: np.ndarray, corner: tuple[int, int]) -> None:
    row, col = corner
    # The last chips of a row or column reach beyond the raster.
    part = sums[:, row : row + CHIP, col : col + CHIP]
    part += chip[:, : part.shape[1], : part.shape[2]]


if __name__ == "__main__":
    main()

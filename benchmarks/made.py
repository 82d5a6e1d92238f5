"""What the benchmarks work on where no real model or scene is given: made imagery, and networks with random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from affine import Affine
from scipy.ndimage import gaussian_filter

from overland.bundle import ModelBundle, save_bundle
from overland.inference.memory import measure_memory_per_pixel, window_for
from overland.legend import legend_from_names
from overland.models import build_model, graph_from_model
from overland.raster import Grid, Window, create_raster

__all__ = ["save_unet", "write_scene"]

_CHIP = 1024
# What was measured for a trained network of this depth on 1 m imagery; random weights see less far.
_HALO = 64


def save_unet(path: Path, *, classes: int = 5, seed: int = 0) -> ModelBundle:
    """Save the 7.8 M U-Net of issue and documentation (width 32, depth 4, full resolution) with random weights."""
    torch.manual_seed(seed)
    settings = {"architecture": "PlainUnet", "width": 32, "depth": 4, "in_channels": 3, "classes": classes}
    model = _centred(build_model(settings))
    bundle = ModelBundle(
        legend=legend_from_names([f"class {index}" for index in range(classes)]),
        model=settings,
        bands=(1, 2, 3),
        dtype="uint8",
        mean=(110.0,) * 3,
        std=(45.0,) * 3,
        chip_size=512,
        size_divisor=16,
        halo=_HALO,
        activation="softmax",
    )
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    graph = graph_from_model(model, in_channels=3, size_divisor=16)
    files = {"weights": weights, "graph": graph, "card": "# Random weights\n"}
    saved = save_bundle(bundle, path, **files)
    # As training does: the window is planned from it.
    bytes_per_pixel = measure_memory_per_pixel(saved)
    window = window_for(bytes_per_pixel, halo=_HALO, divisor=saved.size_divisor)
    return save_bundle(replace(saved, bytes_per_pixel=bytes_per_pixel, window=window), path, **files)


def write_scene(path: Path, height: int, width: int | None = None) -> Path:
    """Write a tiled GeoTIFF of three bands of bytes, deflated to about half, as aerial imagery is."""
    width = width or height
    rng = np.random.default_rng(0)
    land = _landscape(rng)
    grid = Grid(height=height, width=width, transform=Affine(1, 0, 500_000, 0, -1, 5_200_000), crs="EPSG:32633")
    with create_raster(path, grid, count=3, overwrite=True) as writer:
        for row in range(0, height, _CHIP):
            for col in range(0, width, _CHIP):
                window = Window(
                    col_off=col, row_off=row, width=min(_CHIP, width - col), height=min(_CHIP, height - row)
                )
                writer.write(_chip(land, window, rng), window)
    return path


def _centred(model: torch.nn.Module) -> torch.nn.Module:
    """Set the running statistics from noise and the head's bias so that every class wins somewhere."""
    noise = torch.randn(2, 3, 256, 256)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        model.train()(noise)
        model.head.bias -= model.eval()(noise).mean(dim=(0, 2, 3))
    return model


def _landscape(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    fields = [gaussian_filter(rng.normal(size=(_CHIP, _CHIP)).astype(np.float32), scale) for scale in (2, 6, 20)]
    brightness = 110 + sum(25 * field / field.std() for field in fields)
    return np.stack([brightness + 8 * field / field.std() for field in fields]).astype(np.float32)


def _chip(land: npt.NDArray[np.float32], window: Window, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    # Mirrored, so that chips join; fresh noise keeps them from being alike.
    down, across = (1 - 2 * (offset // _CHIP % 2) for offset in (window.row_off, window.col_off))
    chip = land[:, ::down, ::across][:, : window.height, : window.width]
    return np.clip(chip + rng.normal(0, 1.5, chip.shape), 0, 255).astype(np.uint8)

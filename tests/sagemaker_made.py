"""A made /opt/ml: the tree that SageMaker gives to a training container, with tiny images of bright roads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scenes import bright_roads

__all__ = ["TINY", "write_job"]

# A network and a run that take a second or two.
TINY = {
    "recipe": "unet-small",
    "model": '{"architecture": "PlainUnet", "width": 4, "depth": 2}',
    "epochs": "2",
    "batch": "2",
    "imgsz": "32",
    "lr": "1e-2",
    "patience": "0",
    "device": "cpu",
}


def write_job(
    root: Path,
    hyperparameters: dict[str, str],
    *,
    road: int = 1,
    label_map: dict[str, Any] | None = None,
    side: int = 64,
    images: int = 3,
) -> Path:
    """Write the tree; `road` is the value of road in the masks, background is 0."""
    base = root / "input" / "data"
    for channel, first in (("train", 0), ("validation", 100)):
        for number in range(images):
            image, mask = bright_roads(first + number, side, side)
            _save(base / channel / f"{number:04}.jpg", np.moveaxis(image, 0, 2))
            _save(base / f"{channel}_annotation" / f"{number:04}.png", (mask * road).astype(np.uint8))
    if label_map is not None:
        _write_json(base / "label_map" / "train_label_map.json", label_map)
    config = root / "input" / "config"
    _write_json(config / "hyperparameters.json", hyperparameters)
    channels = sorted(path.name for path in base.iterdir())
    _write_json(
        config / "inputdataconfig.json",
        {name: {"TrainingInputMode": "File", "ContentType": "application/x-image"} for name in channels},
    )
    _write_json(config / "resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    (root / "model").mkdir()
    (root / "output").mkdir()
    return root


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")

"""The models in the box: what comes with Overland, from each one's own bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.inference.compatibility import resolution_range_m
from overland.pretrained import pretrained_models

__all__ = ["list_models"]


def list_models() -> dict[str, Any]:
    """What there is: under `models`, for each by name, what it maps, of what imagery, how well, and its terms.

    `figure` is the headline score on scenes that training did not see, where the card has one, else on the validation
    images. Raises `DataError` for a model that was damaged.
    """
    return {"models": [_entry(name, folder) for name, folder in pretrained_models().items()]}


def _entry(name: str, folder: Path) -> dict[str, Any]:
    bundle = load_bundle(folder)
    return {
        "name": name,
        "task": "semantic segmentation",
        "classes": list(bundle.legend.names),
        "bands": list(bundle.bands),
        "dtype": bundle.dtype,
        "resolution_m": bundle.resolution_m,
        "resolution_range_m": resolution_range_m(bundle),
        "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        "figure": _figure(bundle),
        "license": bundle.data.get("license"),
        "attribution": bundle.data.get("attribution"),
        "path": str(folder),
    }


def _figure(bundle: ModelBundle) -> dict[str, Any] | None:
    for split in ("test", "val"):
        if split in bundle.metrics:
            found = bundle.metrics[split]
            return {"on": found.get("dataset"), "split": split, **found["headline"]}
    return None

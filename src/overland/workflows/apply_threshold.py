"""Decide a two-class map anew from its scores: another threshold, no inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from overland.bundle import ModelBundle, load_bundle, mask_from_probabilities
from overland.errors import DataError, UsageError
from overland.geo.grid import iter_windows
from overland.progress import track
from overland.raster import Scene, create_raster, open_scene

__all__ = ["apply_threshold"]

_BLOCK = 2048
_MEGA = 1e6


def apply_threshold(
    model: str | Path | ModelBundle,
    scores: str | Path,
    output: str | Path,
    threshold: float,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the class map that `predict` would have written with this threshold, from the scores that it wrote.

    `model` is the bundle that gave the scores, of two classes; `threshold` is a probability from 0 to 1. The scores
    stream by. Raises `UsageError` for a threshold or a model that makes no sense, `DataError` for other rasters.
    """
    bundle = model if isinstance(model, ModelBundle) else load_bundle(model)
    if bundle.num_scores != 1 or not 0 <= threshold <= 1:
        raise UsageError(
            f"A threshold from 0 to 1 decides between two classes; got {threshold} for "
            f"{bundle.legend.num_classes} classes decided by {bundle.num_scores} scores."
        )
    counts = np.zeros(256, np.int64)
    with open_scene(scores) as scene:
        _check_scores(scene)
        legend = bundle.legend
        with (
            create_raster(output, scene.grid, nodata=legend.ignore_index, legend=legend, overwrite=overwrite) as writer,
            track("Deciding", scene.height * scene.width / _MEGA, "Mpx") as advance,
        ):
            for window in iter_windows(scene.height, scene.width, _BLOCK):
                pixels, valid = scene.read(window)
                mask = mask_from_probabilities(bundle, pixels, threshold)
                mask[~valid] = legend.ignore_index
                writer.write(mask, window)
                counts += np.bincount(mask.ravel(), minlength=256)
                advance(window.height * window.width / _MEGA)
    pixels_of = {name: int(counts[index]) for index, name in enumerate(legend.names)}
    return {"scores": str(scores), "output": str(output), "threshold": threshold, "pixels": pixels_of}


def _check_scores(scene: Scene) -> None:
    if len(scene.data_bands) != 1 or np.dtype(scene.dtype).kind != "f":
        raise DataError(
            f"{scene.path} has {len(scene.data_bands)} bands of {scene.dtype}; the scores of a two-class model are one "
            "band of probabilities. Write them with overland predict --scores."
        )

"""Decide a two-class map anew from its probabilities: another threshold, no inference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.errors import DataError, UsageError
from overland.geo.grid import iter_windows
from overland.inference.probabilities import mask_from_probabilities
from overland.progress import track
from overland.raster import create_raster, open_scene
from overland.result import Result

__all__ = ["ApplyThresholdResult", "apply_threshold"]

_BLOCK = 2048
_MEGA = 1e6


@dataclass(frozen=True)
class ApplyThresholdResult(Result):
    """The result of a decision with another threshold.

    Attributes:
        probabilities: The raster of probabilities.
        output: The class map.
        threshold: Smallest probability of class 1.
        pixels: Number of pixels of each class.
    """

    probabilities: str
    output: str
    threshold: float
    pixels: dict[str, int]


def apply_threshold(
    model: str | Path | ModelBundle,
    probabilities: str | Path,
    output: str | Path,
    threshold: float,
    *,
    overwrite: bool = False,
) -> ApplyThresholdResult:
    """Write the class map that `predict` would have written with another threshold, from its probabilities.

    Args:
        model: The two-class model that gave the probabilities: a bundle, its folder, or a pretrained model's name.
        probabilities: Raster that `predict` wrote with `probabilities`; it streams by.
        output: Class map to write.
        threshold: Smallest probability of class 1, from 0 to 1.
        overwrite: Replace the output if it exists.

    Returns:
        Number of pixels of each class.

    Raises:
        UsageError: The threshold or the model makes no sense.
        DataError: The raster holds no probabilities of a two-class model.
    """
    bundle = model if isinstance(model, ModelBundle) else load_bundle(model)
    if bundle.num_outputs != 1 or not 0 <= threshold <= 1:
        raise UsageError(
            f"A threshold from 0 to 1 decides between two classes; got {threshold} for "
            f"{bundle.legend.num_classes} classes decided by {bundle.num_outputs} probabilities."
        )
    counts = np.zeros(256, np.int64)
    legend = bundle.legend
    with open_scene(probabilities) as scene:
        if len(scene.data_bands) != 1 or np.dtype(scene.dtype).kind != "f":
            raise DataError(
                f"{scene.path} has {len(scene.data_bands)} bands of {scene.dtype}; the probabilities of a two-class "
                "model are one band of floats. Write them with overland predict --probabilities."
            )
        with (
            create_raster(
                output,
                scene.grid,
                nodata=legend.ignore_index,
                legend=legend,
                overwrite=overwrite,
                inputs=scene.files,
            ) as writer,
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
    return ApplyThresholdResult(str(probabilities), str(output), threshold, pixels_of)

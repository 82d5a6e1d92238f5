"""Scaling of pixels for a network that was trained elsewhere: told, or worked out from its first layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from overland.errors import UsageError
from overland.importers.keras import KerasModel

__all__ = ["Normalize", "PixelScaling", "pixel_scaling"]

Normalize = Literal["unit", "imagenet", "none"]
"""Divided by 255, by ImageNet's mean and standard deviation, or not at all."""

_CHOICES: tuple[Normalize, ...] = ("unit", "imagenet", "none")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class PixelScaling:
    """Mean and standard deviation that pixels are scaled with.

    Args:
        mean: Mean of each band, in the scenes' units.
        std: Standard deviation of each band, in the scenes' units.
        note: The same in a sentence.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str


def pixel_scaling(
    model: KerasModel, normalize: Normalize | None, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> PixelScaling:
    """Choose the scaling of a network's pixels.

    Args:
        model: The network.
        normalize: A scaling by name; by default "none" for a network whose first layer scales pixels itself, else
            "unit", which most published code does.
        mean: Mean of all bands or of each, in place of a name.
        std: Standard deviation of all bands or of each.

    Returns:
        The scaling, a number for each band.

    Raises:
        UsageError: The choice makes no sense, or is not one for this number of bands.
    """
    count = model.in_channels
    if mean or std:
        if normalize is not None:
            raise UsageError("Give either --normalize or --mean and --std: both say how pixels are scaled.")
        if not (mean and std):
            raise UsageError("--mean and --std go together.")
        means, stds = (_numbers_of_bands(values, count) for values in (mean, std))
        if min(stds) <= 0:
            raise UsageError(f"A standard deviation is above 0; got {min(stds)}.")
        return PixelScaling(means, stds, "Pixels are scaled by the mean and standard deviation given.")
    chosen = normalize or ("none" if _scales_itself(model) else "unit")
    if chosen == "imagenet":
        if count != 3:
            raise UsageError(f"ImageNet's mean and standard deviation are those of 3 bands; the network takes {count}.")
        means, stds = (tuple(255 * value for value in values) for values in _IMAGENET)
        return PixelScaling(means, stds, "Pixels are scaled by ImageNet's mean and standard deviation.")
    if chosen == "none":
        why = "" if normalize else ", as the network begins by scaling them itself"
        return PixelScaling((0.0,) * count, (1.0,) * count, f"Pixels 0 to 255 go into the network as they are{why}.")
    if chosen == "unit":
        why = "" if normalize else "; if training did otherwise, say so with --normalize or --mean and --std"
        return PixelScaling((0.0,) * count, (255.0,) * count, f"Pixels are divided by 255{why}.")
    raise UsageError(f"There is no scaling {chosen!r}; choose one of {', '.join(_CHOICES)}.")


def _scales_itself(model: KerasModel) -> bool:
    """Return True where the first layer brings pixels of 0 to 255 to about 1, by its factor or by its mean."""
    first = model.layers[0]
    if first["kind"] == "Rescaling":
        return bool(max(first["scale"]) < 0.5)
    means = model.weights.get(f"{first['name']}.running_mean")
    return first["kind"] == "BatchNormalization" and means is not None and bool(means.max() > 2)


def _numbers_of_bands(values: Sequence[float], count: int) -> tuple[float, ...]:
    if len(values) not in (1, count):
        raise UsageError(f"--mean and --std need one number, or one for each of the {count} bands; got {len(values)}.")
    numbers = tuple(float(value) for value in values)
    if not all(math.isfinite(number) for number in numbers):
        raise UsageError(f"--mean and --std are numbers; got {', '.join(map(str, values))}.")
    return numbers if len(numbers) == count else numbers * count

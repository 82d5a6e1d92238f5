"""How pixels are scaled for a network that was trained elsewhere: told, or worked out from how it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overland.errors import UsageError
from overland.importers.keras import KerasModel

__all__ = ["SCALINGS", "PixelScaling", "pixel_scaling"]

SCALINGS = ("unit", "imagenet", "none")
"""Divided by 255, by ImageNet's mean and std, or not at all."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class PixelScaling:
    """The mean and std of each band, in the scenes' units; `note` says the same in words."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    note: str


def pixel_scaling(
    model: KerasModel, normalize: str | None, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> PixelScaling:
    """Choose the scaling by one of `SCALINGS` or by mean and std, one number or one for each band.

    By default it is "none" for a network whose first layer scales pixels itself, else "unit", which most published
    code does. Raises `UsageError` for what makes no sense.
    """
    count = model.in_channels
    if mean or std:
        if normalize is not None:
            raise UsageError("Give either --normalize or --mean and --std: both say how pixels are scaled.")
        return PixelScaling(
            _of_bands(mean, count), _checked_std(std, count), "Pixels are scaled by the mean and std given."
        )
    chosen = normalize or ("none" if _scales_itself(model) else "unit")
    if chosen == "imagenet":
        return _imagenet(count)
    if chosen == "none":
        why = "" if normalize else ", as the network begins by scaling them itself"
        return PixelScaling((0.0,) * count, (1.0,) * count, f"Pixels 0 to 255 go into the network as they are{why}.")
    if chosen == "unit":
        why = "" if normalize else "; if training did otherwise, say so with --normalize or --mean and --std"
        return PixelScaling((0.0,) * count, (255.0,) * count, f"Pixels are divided by 255{why}.")
    raise UsageError(f"There is no scaling {chosen!r}; choose one of {', '.join(SCALINGS)}.")


def _imagenet(count: int) -> PixelScaling:
    if count != 3:
        raise UsageError(f"ImageNet's mean and std are those of 3 bands; the network takes {count}.")
    mean, std = (tuple(255 * value for value in values) for values in _IMAGENET)
    return PixelScaling(mean, std, "Pixels are scaled by ImageNet's mean and std.")


def _scales_itself(model: KerasModel) -> bool:
    """Whether the first layer brings pixels of 0 to 255 to about 1: by its factor, or by the mean that it has seen."""
    first = model.layers[0]
    if first["kind"] == "Rescaling":
        return bool(max(first["scale"]) < 0.5)
    means = model.weights.get(f"{first['name']}.running_mean")
    return first["kind"] == "BatchNormalization" and means is not None and bool(means.max() > 2)


def _of_bands(values: Sequence[float], count: int) -> tuple[float, ...]:
    if len(values) not in (1, count):
        raise UsageError(f"--mean and --std need one number, or one for each of the {count} bands; got {len(values)}.")
    return tuple(float(value) for value in (values if len(values) == count else [*values] * count))


def _checked_std(values: Sequence[float], count: int) -> tuple[float, ...]:
    found = _of_bands(values, count)
    if min(found) <= 0:
        raise UsageError(f"A std is above 0; got {min(found)}.")
    return found

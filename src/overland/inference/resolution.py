"""Is a scene brought to the resolution that a model knows? The decision, and what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from overland.bundle import ModelBundle
from overland.errors import UsageError
from overland.inference.resample import AxisResampling, Resampling
from overland.raster import Scene

__all__ = ["RESAMPLE_MODES", "choose_resampling", "resolution_range_m"]

logger = logging.getLogger("overland")

RESAMPLE_MODES = ("auto", "off")

# Training sees every image at two thirds to three halves of its size; this much a network does not notice.
_NOTICED = 1.15
# Finer pixels are averaged, and nothing is lost; coarser ones do not show what the model looks for.
_MOST_REDUCED, _MOST_ENLARGED = 20.0, 4.0
_PROMISED = 2.0
_ROUNDING = 1.01


def choose_resampling(bundle: ModelBundle, scene: Scene, mode: str = "auto") -> Resampling | None:
    """How a scene becomes one of the model's resolution; None where it stays as it is.

    With "auto" it is resampled when a side of its pixels differs by more than 15 % from `bundle.resolution_m`, unless
    its pixels are more than 20 times finer or 4 times coarser. One line tells so, and warns of a scene outside
    `resolution_range_m`. "off" leaves every scene as it is. Raises `UsageError` for another mode.
    """
    if mode not in RESAMPLE_MODES:
        raise UsageError(f"There is no resampling {mode!r}; choose one of {', '.join(RESAMPLE_MODES)}.")
    found, known = scene.grid.pixel_size_m, bundle.resolution_m
    if found is None or not known:
        return None
    ratios = [side / known for side in found]
    if all(1 / _NOTICED <= ratio <= _NOTICED for ratio in ratios):
        return None
    within = min(ratios) >= 1 / _MOST_REDUCED and max(ratios) <= _MOST_ENLARGED
    _tell(bundle, scene, mode, within)
    if mode == "off" or not within:
        return None
    return Resampling(_axis(scene.height, ratios[0]), _axis(scene.width, ratios[1]))


def resolution_range_m(bundle: ModelBundle) -> tuple[float, float] | None:
    """The pixel sizes in metres for which a model is meant: what its card says, else up to twice what it knows.

    None for a model that does not know its resolution.
    """
    stated = bundle.data.get("resolution_range_m")
    if stated:
        return float(stated[0]), float(stated[1])
    return None if not bundle.resolution_m else (bundle.resolution_m / _MOST_REDUCED, bundle.resolution_m * _PROMISED)


def _axis(length: int, ratio: float) -> AxisResampling:
    return AxisResampling(length, max(1, round(length * ratio)))


def _tell(bundle: ModelBundle, scene: Scene, mode: str, within: bool) -> None:
    low, high = resolution_range_m(bundle) or (0.0, float("inf"))
    found = f"{scene.path} has pixels of {_said(scene.grid.pixel_size_m or ())} m"
    if mode == "auto" and within:
        text = (
            f"{found}, the model knows {bundle.resolution_m:.3g} m: it is resampled for the network, and the map lies "
            "on the scene's own pixels (--resample off leaves that out)."
        )
    else:
        text = f"{found}; the model was trained on {bundle.resolution_m:.3g} m, and the scene is taken as it is."
    resolution = scene.grid.resolution_m or 0.0
    if not low / _ROUNDING <= resolution <= high * _ROUNDING:
        logger.warning("%s It is meant for %.3g to %.3g m: expect a poor map.", text, low, high)
    elif mode == "auto" and within:
        logger.info("%s", text)
    else:
        logger.warning("%s Expect a poor map.", text)


def _said(sides: Sequence[float]) -> str:
    texts = [f"{side:.3g}" for side in sides]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)

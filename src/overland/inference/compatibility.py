"""Compatibility of a scene with a model: the bands that are read, and the resolution that the network gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from overland.bundle import ModelBundle
from overland.errors import DataError, UsageError
from overland.inference.memory import default_window
from overland.inference.plan import Plan, plan_windows
from overland.inference.resample import AxisResampling, Resampling
from overland.raster import Scene

__all__ = [
    "RESAMPLE_MODES",
    "check_bands",
    "check_scene",
    "choose_resampling",
    "plan_image",
    "resolution_range_m",
    "wants_palette_colors",
]


logger = logging.getLogger(__name__)

_LARGEST_RESOLUTION_RATIO = 1.5

RESAMPLE_MODES = ("auto", "off")
"""Modes of `choose_resampling`."""

# Training sees every image at two thirds to three halves of its size; this much a network does not notice.
_NOTICED = 1.15
# Finer pixels are averaged, and nothing is lost; coarser ones do not show what the model looks for.
_MOST_REDUCED, _MOST_ENLARGED = 20.0, 4.0
_PROMISED = 2.0
_ROUNDING = 1.01


def wants_palette_colors(bundle: ModelBundle) -> bool:
    """Say whether palette images are to be opened as red, green, blue: the model takes more than one band.

    Args:
        bundle: The model.

    Returns:
        True for a model of several bands.
    """
    return bundle.in_channels > 1


def check_scene(bundle: ModelBundle, scene: Scene, bands: Sequence[int] | None = None) -> tuple[int, ...]:
    """Choose the bands to read, and warn when the pixels are of another size than the model knows.

    For who takes a scene as it is; `choose_resampling` brings it to the model's resolution.

    Args:
        bundle: The model.
        scene: The scene.
        bands: Bands that were asked for, counted from 1.

    Returns:
        The bands to read, as `check_bands` chooses them.

    Raises:
        DataError: The scene does not fit the model.
    """
    chosen = check_bands(bundle, scene, bands)
    found, known = scene.grid.resolution_m, bundle.resolution_m
    if found and known and max(found / known, known / found) > _LARGEST_RESOLUTION_RATIO:
        logger.warning(
            "%s has pixels of %.3g m; the model was trained on %.3g m. Expect a poor map, or resample the scene first.",
            scene.path,
            found,
            known,
        )
    return chosen


def check_bands(bundle: ModelBundle, scene: Scene, bands: Sequence[int] | None = None) -> tuple[int, ...]:
    """Choose the bands to read: those asked for, else all but alpha when their number fits.

    Args:
        bundle: The model.
        scene: The scene.
        bands: Bands that were asked for, counted from 1.

    Returns:
        The bands, counted from 1.

    Raises:
        DataError: The model was not trained on such a number of bands or such a pixel type.
    """
    chosen = tuple(bands) if bands else scene.data_bands
    missing = [band for band in chosen if not 1 <= band <= scene.count]
    if missing:
        raise DataError(f"{scene.path}: band {missing[0]} was asked for, the file has bands 1 to {scene.count}.")
    if scene.dtype != bundle.dtype:
        advice = f"Give it {bundle.dtype} scenes, converted as the training images were."
    elif len(chosen) == bundle.in_channels:
        advice = ""
    elif bands:
        advice = f"-b names {len(chosen)} ({_listed(chosen)}); name {bundle.in_channels}."
    else:
        advice = _band_advice(bundle, scene)
    if not advice:
        return chosen
    alpha = " and alpha" if len(scene.data_bands) < scene.count else ""
    found = f"{scene.path} has {_bands(len(scene.data_bands))}{alpha} of {scene.dtype}"
    trained = f"the model was trained on {_bands(bundle.in_channels)} ({_listed(bundle.bands)}) of {bundle.dtype}"
    raise DataError(f"{found}; {trained}. {advice}")


def _band_advice(bundle: ModelBundle, scene: Scene) -> str:
    wanted = bundle.in_channels
    if wanted <= scene.count:
        fits = len(bundle.bands) == wanted and max(bundle.bands) <= scene.count
        bands = bundle.bands if fits else range(1, wanted + 1)
        return f"Try -b {_listed(bands)}, or the numbers under which this file keeps those bands."
    if len(scene.data_bands) == 1:
        return f"If a grey image will do, repeat its band: -b {_listed([scene.data_bands[0]] * wanted)}."
    return "No choice of bands makes it fit; give a scene with those bands, or another model."


def _bands(count: int) -> str:
    return "1 band" if count == 1 else f"{count} bands"


def _listed(bands: Sequence[int]) -> str:
    return ",".join(str(band) for band in bands)


def plan_image(bundle: ModelBundle, height: int, width: int) -> Plan:
    """Plan the windows of an image in memory; a network that resizes whole images to a fixed size gets it in one.

    Args:
        bundle: The model.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        The plan.
    """
    if bundle.fixed_size:
        return plan_windows(height, width, chip_size=max(height, width), halo=0, divisor=1)
    return plan_windows(height, width, chip_size=default_window(bundle), halo=bundle.halo, divisor=bundle.size_divisor)


def choose_resampling(bundle: ModelBundle, scene: Scene, mode: str = "auto") -> Resampling | None:
    """Decide whether a scene is resampled to the model's resolution, and tell so in one line.

    Args:
        bundle: The model.
        scene: The scene.
        mode: "auto" resamples when a side of the scene's pixels differs by more than 15 % from `bundle.resolution_m`,
            unless they are more than 20 times finer or 4 times coarser; "off" leaves every scene as it is.

    Returns:
        Both axes; None where the scene stays as it is.

    Raises:
        UsageError: There is no such mode.
    """
    if mode not in RESAMPLE_MODES:
        raise UsageError(f"There is no resampling {mode!r}; choose one of {', '.join(RESAMPLE_MODES)}.")
    found, known = scene.grid.pixel_size_m, bundle.resolution_m
    if found is None or not known:
        return None
    ratios = [found.height / known, found.width / known]
    if all(1 / _NOTICED <= ratio <= _NOTICED for ratio in ratios):
        return None
    within = min(ratios) >= 1 / _MOST_REDUCED and max(ratios) <= _MOST_ENLARGED
    _tell(bundle, scene, mode, within)
    if mode == "off" or not within:
        return None
    rows, cols = (
        AxisResampling(length, max(1, round(length * ratio)))
        for length, ratio in zip((scene.height, scene.width), ratios, strict=True)
    )
    return Resampling(rows, cols)


def resolution_range_m(bundle: ModelBundle) -> tuple[float, float] | None:
    """Find the pixel sizes for which a model is meant: those of its card, else up to twice the one that it knows.

    Args:
        bundle: The model.

    Returns:
        Smallest and largest side of a pixel in metres; None for a model that does not know its resolution.
    """
    stated = bundle.data.get("resolution_range_m")
    if stated:
        return float(stated[0]), float(stated[1])
    return None if not bundle.resolution_m else (bundle.resolution_m / _MOST_REDUCED, bundle.resolution_m * _PROMISED)


def _tell(bundle: ModelBundle, scene: Scene, mode: str, within: bool) -> None:
    low, high = resolution_range_m(bundle) or (0.0, float("inf"))
    sides = [f"{side:.3g}" for side in tuple(scene.grid.pixel_size_m or ())[::-1]]
    found = f"{scene.path} has pixels of {sides[0] if len(set(sides)) == 1 else ' x '.join(sides)} m"
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

"""How a scene fits a model: the bands that are read, or one error that says what the model was trained on; windows."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from overland.bundle import ModelBundle
from overland.errors import DataError
from overland.inference.plan import DEFAULT_CHIP_SIZE, Plan, plan_windows
from overland.raster import Scene

__all__ = ["check_bands", "check_scene", "plan_image", "wants_palette_colors"]

logger = logging.getLogger("overland")

_LARGEST_RESOLUTION_RATIO = 1.5


def wants_palette_colors(bundle: ModelBundle) -> bool:
    """Whether palette images are to be opened as red, green, blue: the model takes more than one band."""
    return bundle.in_channels > 1


def check_scene(bundle: ModelBundle, scene: Scene, bands: Sequence[int] | None = None) -> tuple[int, ...]:
    """Choose the bands to read, as `check_bands` does; warns when the pixels are of another size than the model knows.

    For who takes a scene as it is; `choose_resampling` says what can be done about the size.
    """
    chosen = check_bands(bundle, scene, bands)
    _warn_of_resolution(bundle, scene)
    return chosen


def check_bands(bundle: ModelBundle, scene: Scene, bands: Sequence[int] | None = None) -> tuple[int, ...]:
    """Choose the bands to read, counted from 1: those asked for, else all but alpha when their number fits.

    Raises `DataError` for a number of bands or a pixel type that the model was not trained on.
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
    if advice:
        raise DataError(_misfit(bundle, scene, advice))
    return chosen


def _misfit(bundle: ModelBundle, scene: Scene, advice: str) -> str:
    alpha = " and alpha" if len(scene.data_bands) < scene.count else ""
    found = f"{scene.path} has {_bands(len(scene.data_bands))}{alpha} of {scene.dtype}"
    trained = f"the model was trained on {_bands(bundle.in_channels)} ({_listed(bundle.bands)}) of {bundle.dtype}"
    return f"{found}; {trained}. {advice}"


def _band_advice(bundle: ModelBundle, scene: Scene) -> str:
    wanted = bundle.in_channels
    if wanted <= scene.count:
        fits = len(bundle.bands) == wanted and max(bundle.bands) <= scene.count
        bands = bundle.bands if fits else range(1, wanted + 1)
        return f"Try -b {_listed(bands)}, or the numbers under which this file keeps those bands."
    if len(scene.data_bands) == 1:
        return f"If a grey image will do, repeat its band: -b {_listed([scene.data_bands[0]] * wanted)}."
    return "No choice of bands makes it fit; give a scene with those bands, or another model."


def _warn_of_resolution(bundle: ModelBundle, scene: Scene) -> None:
    found, known = scene.grid.resolution_m, bundle.resolution_m
    if not found or not known:
        return
    if max(found / known, known / found) > _LARGEST_RESOLUTION_RATIO:
        logger.warning(
            "%s has pixels of %.3g m; the model was trained on %.3g m. Expect a poor map, or resample the scene first.",
            scene.path,
            found,
            known,
        )


def _bands(count: int) -> str:
    return "1 band" if count == 1 else f"{count} bands"


def _listed(bands: Sequence[int]) -> str:
    return ",".join(str(band) for band in bands)


def plan_image(bundle: ModelBundle, height: int, width: int) -> Plan:
    """The windows of an image in memory; a network that sees whole images squashed gets it in one."""
    if bundle.squash:
        return plan_windows(height, width, chip_size=max(height, width), halo=0, divisor=1)
    return plan_windows(height, width, chip_size=DEFAULT_CHIP_SIZE, halo=bundle.halo, divisor=bundle.size_divisor)

"""Clean up a class map: from a mask to a mask, band by band, with what changed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.cleaning import PRESETS, CleanUp, RegionPlan, clean_row_blocks, plan_regions
from overland.errors import UsageError
from overland.legend import IGNORE_INDEX, Legend
from overland.progress import track
from overland.raster import Grid, Scene, Window, create_raster
from overland.raster.class_map import MaskSurvey, open_class_scene, read_mask, survey_mask
from overland.raster.write import check_raster_output

__all__ = ["postprocess"]

logger = logging.getLogger("overland")

_MEGA = 1e6
_BAND_PIXELS = 8_000_000
_BLOCK = 512
_FEWEST_ROWS = 128

Counts = npt.NDArray[np.int64]


def postprocess(
    mask: str | Path,
    output: str | Path,
    *,
    preset: str | None = None,
    median: int | None = None,
    majority: int | None = None,
    open: int | None = None,
    close: int | None = None,
    remove_objects: int | None = None,
    fill_holes: int | None = None,
    sieve: int | None = None,
    min_area_m2: float | None = None,
    background: str | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Clean a class map of any size and write it as another; say what share of each class became what.

    The steps are done in the order of the arguments, whatever the ids are; `postprocess.CleanUp` says what each does.
    `preset` ("morphological" or "median") sets some of them, and those given beside it count. `min_area_m2` is `sieve`
    in square metres, by the size of a pixel at the centre of the map (in pixels without a CRS). `background` names the
    class that is no object, by default what the legend calls so; maps without class names have none. Pixels without
    data stay as they are. Memory follows the width of the map and, for the last four steps, the number of its regions.

    Raises `UsageError` for options and outputs that make no sense, `DataError` for a file that is no class map.
    """
    sizes = {
        "median": median,
        "majority": majority,
        "open": open,
        "close": close,
        "remove_objects": remove_objects,
        "fill_holes": fill_holes,
        "sieve": sieve,
    }
    started = time.perf_counter()
    _check_paths(mask, output, overwrite)
    with open_class_scene(mask) as scene:
        cleanup = _cleanup(preset, sizes, min_area_m2, scene.grid)
        found = _clean_scene(scene, Path(output), cleanup, background, overwrite)
    return {"mask": str(mask), "output": str(output), **found, "seconds": round(time.perf_counter() - started, 3)}


def _check_paths(mask: str | Path, output: str | Path, overwrite: bool) -> None:
    if Path(mask).resolve() == Path(output).resolve():
        raise UsageError(f"{output} is the input and would be overwritten; choose another output.")
    check_raster_output(output, overwrite=overwrite)


def _cleanup(preset: str | None, sizes: Mapping[str, int | None], min_area_m2: float | None, grid: Grid) -> CleanUp:
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"There is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    given = {name: size for name, size in sizes.items() if size is not None}
    if min_area_m2 is not None:
        given["sieve"] = _sieve_pixels(given.get("sieve"), min_area_m2, grid)
    cleanup = replace(PRESETS[preset] if preset is not None else CleanUp(), **given)
    if not cleanup.steps:
        steps = ", ".join(asdict(cleanup))
        raise UsageError(f"There is nothing to do: name a step with its size ({steps}), or a preset.")
    return cleanup


def _sieve_pixels(sieve: int | None, min_area_m2: float, grid: Grid) -> int:
    if sieve is not None:
        raise UsageError("The smallest area was given in pixels (sieve) and in square metres (min_area_m2); give one.")
    if not 0 <= min_area_m2 < math.inf:
        raise UsageError(f"min_area_m2 is {min_area_m2}; an area is not negative, and 0 leaves the step out.")
    if not grid.is_georeferenced:
        logger.info("The mask has no CRS: its smallest area is taken in pixels.")
    width_m, height_m = grid.pixel_size
    return math.ceil(min_area_m2 / (width_m * height_m))


def _clean_scene(
    scene: Scene, output: Path, cleanup: CleanUp, background: str | None, overwrite: bool
) -> dict[str, Any]:
    bands = _bands(scene.height, scene.width)
    read_twice = cleanup.largest_region > 0
    passes = scene.height + (1 + read_twice) * sum(
        min(scene.height, end + cleanup.halo) - max(0, top - cleanup.halo) for top, end in bands
    )
    with track(f"Clean {Path(scene.path).name}", passes * scene.width / _MEGA, "Mpx") as advance:
        survey = survey_mask(scene, bands, advance)
        kept = survey.legend.background if background is None else survey.legend.id_from_name(background)

        def read_rows(top: int, end: int) -> npt.NDArray[np.uint8]:
            advance((end - top) * scene.width / _MEGA)
            return read_mask(scene, survey, Window(col_off=0, row_off=top, width=scene.width, height=end - top))

        plan = plan_regions(read_rows, bands, cleanup, kept)
        legend = survey.legend if survey.is_named else None
        changes = np.zeros((256, 256), np.int64)
        with create_raster(output, scene.grid, nodata=IGNORE_INDEX, legend=legend, overwrite=overwrite) as writer:
            pieces = clean_row_blocks(read_rows, bands, cleanup, kept, plan)
            for (top, end), (before, after) in zip(bands, pieces, strict=True):
                writer.write(after, Window(col_off=0, row_off=top, width=scene.width, height=end - top))
                _count_changes(changes, before, after)
    return _summary(survey, cleanup, kept, plan, changes)


def _bands(height: int, width: int) -> list[tuple[int, int]]:
    """Bands of rows (top, end): whole rows of the file's blocks unless those would take too much memory."""
    rows = max(_FEWEST_ROWS, _BAND_PIXELS // width // _BLOCK * _BLOCK)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _count_changes(changes: Counts, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> None:
    differs = before != after
    codes = before[differs].astype(np.int64) * 256 + after[differs]
    changes += np.bincount(codes, minlength=changes.size).reshape(changes.shape)


def _summary(
    survey: MaskSurvey, cleanup: CleanUp, background: int | None, plan: RegionPlan | None, changes: Counts
) -> dict[str, Any]:
    legend, pixels = survey.legend, int(survey.counts[:IGNORE_INDEX].sum())
    if pixels == 0:
        logger.warning("The mask has no pixel with data, so there was nothing to clean.")
    regions = None if plan is None else {"before": len(plan.before), "after": len(plan.after)}
    too_small = 0 if plan is None or not cleanup.sieve else int((plan.after.areas < cleanup.sieve).sum())
    if too_small:
        who = "1 region is" if too_small == 1 else f"{too_small} regions are"
        logger.warning("%s still under the smallest area: nothing larger touches them.", who)
    return {
        "steps": cleanup.steps,
        "background": None if background is None else legend.names[background],
        "pixels": pixels,
        "changed_share": _share(int(changes.sum()), pixels),
        "regions": regions,
        "regions_too_small": too_small,
        "classes": _class_changes(legend, survey.counts, changes),
    }


def _class_changes(legend: Legend, counts: Counts, changes: Counts) -> dict[str, Any]:
    """For each class its pixels before and after, the share of it that changed, and the shares that became others."""
    classes = {}
    for index in np.flatnonzero(counts[:IGNORE_INDEX]):
        before, lost, gained = int(counts[index]), int(changes[index].sum()), int(changes[:, index].sum())
        became = {
            legend.names[other]: _share(int(changes[index, other]), before) for other in np.nonzero(changes[index])[0]
        }
        classes[legend.names[index]] = {
            "pixels_before": before,
            "pixels_after": before - lost + gained,
            "changed_share": _share(lost, before),
            "became": became,
        }
    return classes


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None

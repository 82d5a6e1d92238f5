"""Clean up a class map: from a mask to a mask, row block by row block, with a report of the changes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from overland.cleaning import PRESETS, CleanUp, RegionPlan, clean_row_blocks, plan_regions
from overland.errors import UsageError
from overland.geo.grid import Grid, Window
from overland.legend import IGNORE_INDEX
from overland.progress import track
from overland.raster import create_raster, input_files
from overland.raster.class_map import Counts, Ids, MaskSurvey, open_class_scene, read_mask, survey_mask
from overland.raster.write import check_raster_output
from overland.result import Result

__all__ = ["ClassChange", "PostprocessResult", "RegionCounts", "postprocess"]

logger = logging.getLogger(__name__)

_MEGA = 1e6
_BLOCK_PIXELS = 8_000_000
_FILE_BLOCK = 512
_FEWEST_ROWS = 128


@dataclass(frozen=True)
class RegionCounts:
    """Numbers of connected regions.

    Attributes:
        before: Regions before the clean-up.
        after: Regions that are left.
    """

    before: int
    after: int


@dataclass(frozen=True)
class ClassChange:
    """The change of one class.

    Attributes:
        pixels_before: Pixels before the clean-up.
        pixels_after: Pixels after it.
        changed_fraction: Fraction of the pixels before that became another class; None where there were none.
        became: For each class that they became the fraction of the pixels before.
    """

    pixels_before: int
    pixels_after: int
    changed_fraction: float | None
    became: dict[str, float | None]


@dataclass(frozen=True)
class PostprocessResult(Result):
    """The changes that a clean-up made.

    Attributes:
        mask: The class map.
        output: The cleaned class map.
        steps: The steps that were done, with their sizes in pixels.
        background: Name of the class that is no object; None without one.
        pixels: Pixels with a class.
        changed_fraction: Fraction of them that changed; None where there are none.
        regions: Connected regions; None where no step looks at them.
        regions_too_small: Regions that are still under the smallest area, since nothing larger touches them.
        classes: The change of each class, by name.
        seconds: Time that it took.
    """

    mask: str
    output: str
    steps: dict[str, int]
    background: str | None
    pixels: int
    changed_fraction: float | None
    regions: RegionCounts | None
    regions_too_small: int
    classes: dict[str, ClassChange]
    seconds: float


def postprocess(
    mask: str | Path,
    output: str | Path,
    *,
    preset: Literal["morphological", "median"] | None = None,
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
) -> PostprocessResult:
    """Clean up the class map MASK and write it as OUTPUT (.tif or .png).

    Steps are done in the order below, whatever the order given. Pixels that go take a class that is there around them:
    the nearest (--open), the one with the longest border (regions). No class is special but the background, and pixels
    without data stay as they are. Windows have an odd width; regions are connected along pixel edges. The map may be of
    any size.

    Args:
        mask: The class map, a raster of class ids.
        output: The cleaned class map.
        preset: Steps that go well together; those given with it count. morphological: --remove-objects 64 --fill-holes
            64; median: --median 3.
        median: Each pixel takes the class that fills over half of N x N.
        majority: Each pixel takes the most frequent class of N x N.
        open: Specks, spurs and lines thinner than N pixels go.
        close: Gaps and cracks in a class narrower than N pixels close.
        remove_objects: Regions under N pixels go, but not of the background.
        fill_holes: Regions under N pixels inside one other class are filled.
        sieve: All regions under N pixels go: the minimum mapping unit.
        min_area_m2: The same in square metres, by the size of a pixel at the centre of the map (in square units of a
            map without a CRS).
        background: Class that is no object.  [default: the one that the legend calls so]
        overwrite: Replace OUTPUT if it exists.

    Returns:
        The changes.

    Raises:
        UsageError: For options and an output that make no sense.
        DataError: For a file that is no class map.
    """
    started = time.perf_counter()
    output = check_raster_output(output, overwrite=overwrite, inputs=input_files(mask))
    sizes = {
        "median": median,
        "majority": majority,
        "open": open,
        "close": close,
        "remove_objects": remove_objects,
        "fill_holes": fill_holes,
        "sieve": sieve,
    }
    with open_class_scene(mask) as scene:
        cleanup = _cleanup(preset, sizes, min_area_m2, scene.grid)
        # Whole rows of the file's blocks unless those would take too much memory.
        rows = max(_FEWEST_ROWS, _BLOCK_PIXELS // scene.width // _FILE_BLOCK * _FILE_BLOCK)
        blocks = [(top, min(top + rows, scene.height)) for top in range(0, scene.height, rows)]
        read_twice = cleanup.largest_region > 0
        passes = scene.height + (1 + read_twice) * sum(
            min(scene.height, end + cleanup.halo) - max(0, top - cleanup.halo) for top, end in blocks
        )
        with track(f"Clean {Path(scene.path).name}", passes * scene.width / _MEGA, "Mpx") as advance:
            survey = survey_mask(scene, blocks, advance)
            kept = survey.legend.background if background is None else survey.legend.id_from_name(background)

            def read_rows(top: int, end: int) -> Ids:
                """Read whole rows of the class map.

                Args:
                    top: First row.
                    end: Row after the last.

                Returns:
                    Class ids (end - top, W).
                """
                advance((end - top) * scene.width / _MEGA)
                return read_mask(scene, survey, Window(col_off=0, row_off=top, width=scene.width, height=end - top))

            plan = plan_regions(read_rows, blocks, cleanup, kept)
            legend = survey.legend if survey.is_named else None
            changes = np.zeros((256, 256), np.int64)
            with create_raster(output, scene.grid, nodata=IGNORE_INDEX, legend=legend, overwrite=overwrite) as writer:
                pieces = clean_row_blocks(read_rows, blocks, cleanup, kept, plan)
                for (top, end), (before, after) in zip(blocks, pieces, strict=True):
                    writer.write(after, Window(col_off=0, row_off=top, width=scene.width, height=end - top))
                    differs = before != after
                    codes = before[differs].astype(np.int64) * 256 + after[differs]
                    changes += np.bincount(codes, minlength=changes.size).reshape(changes.shape)
    pixels = int(survey.counts[:IGNORE_INDEX].sum())
    return PostprocessResult(
        mask=str(mask),
        output=str(output),
        steps=cleanup.steps,
        background=None if kept is None else survey.legend.names[kept],
        pixels=pixels,
        changed_fraction=_fraction(int(changes.sum()), pixels),
        regions=None if plan is None else RegionCounts(len(plan.before), len(plan.after)),
        regions_too_small=_warn_of_leftovers(pixels, cleanup, plan),
        classes=_class_changes(survey, changes),
        seconds=round(time.perf_counter() - started, 3),
    )


def _cleanup(preset: str | None, sizes: Mapping[str, int | None], min_area_m2: float | None, grid: Grid) -> CleanUp:
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"There is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    given = {name: size for name, size in sizes.items() if size is not None}
    if min_area_m2 is not None:
        if "sieve" in given:
            raise UsageError(
                "The smallest area was given in pixels (sieve) and in square metres (min_area_m2); give one."
            )
        if not 0 <= min_area_m2 < math.inf:
            raise UsageError(f"min_area_m2 is {min_area_m2}; an area is not negative, and 0 leaves the step out.")
        if not grid.is_georeferenced:
            unit = "square units of the map" if grid.has_coordinates else "pixels"
            logger.info("The mask has no CRS: its smallest area is taken in %s.", unit)
        given["sieve"] = math.ceil(min_area_m2 / math.prod(grid.pixel_size))
    cleanup = replace(PRESETS[preset] if preset is not None else CleanUp(), **given)
    if not cleanup.steps:
        steps = ", ".join(asdict(cleanup))
        raise UsageError(f"There is nothing to do: name a step with its size ({steps}), or a preset.")
    return cleanup


def _warn_of_leftovers(pixels: int, cleanup: CleanUp, plan: RegionPlan | None) -> int:
    """Count the regions that are still too small, and say so."""
    if pixels == 0:
        logger.warning("The mask has no pixel with data, so there was nothing to clean.")
    too_small = 0 if plan is None or not cleanup.sieve else int((plan.after.areas < cleanup.sieve).sum())
    if too_small:
        regions = "1 region is" if too_small == 1 else f"{too_small} regions are"
        logger.warning("%s still under the smallest area: nothing larger touches them.", regions)
    return too_small


def _class_changes(survey: MaskSurvey, changes: Counts) -> dict[str, ClassChange]:
    names, found = survey.legend.names, {}
    for index in np.flatnonzero(survey.counts[:IGNORE_INDEX]):
        before, lost, gained = int(survey.counts[index]), int(changes[index].sum()), int(changes[:, index].sum())
        found[names[index]] = ClassChange(
            pixels_before=before,
            pixels_after=before - lost + gained,
            changed_fraction=_fraction(lost, before),
            became={
                names[other]: _fraction(int(changes[index, other]), before) for other in np.flatnonzero(changes[index])
            },
        )
    return found


def _fraction(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None

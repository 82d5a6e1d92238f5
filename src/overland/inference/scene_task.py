"""What a prediction is to do, settled before it starts: per scene the files, the part, the bands and the windows."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from overland.bundle import ModelBundle
from overland.errors import DataError, UsageError
from overland.inference import (
    MemoryCosts,
    Plan,
    Resampling,
    check_bands,
    chip_size_for,
    choose_resampling,
    default_budget_mb,
    plan_windows,
    planned_memory_mb,
    wants_palette_colors,
)
from overland.inference.ensemble import Ensemble
from overland.inference.machine import available_memory_mb
from overland.inference.plan import round_up
from overland.inference.region import Area, Bounds, ScenePart, scene_part
from overland.inference.resample import resampling_bytes
from overland.raster import Grid, Scene, Window, open_scene
from overland.raster.journal import recorded_run
from overland.raster.row_blocks import are_own_outputs
from overland.raster.write import OUTPUT_DRIVERS, check_output

__all__ = [
    "PredictOptions",
    "SceneRun",
    "Target",
    "open_input",
    "plan_outputs",
    "plan_scene_runs",
]


# Where a prediction reads and writes: each input with the files that come of it, checked before anything is done.


@dataclass(frozen=True)
class Target:
    """An input, and the files that it becomes by their kind: "mask", and maybe "scores" and "confidence"."""

    source: str
    outputs: Mapping[str, Path]

    @property
    def mask(self) -> Path:
        """The class map, beside which the journal lies."""
        return self.outputs["mask"]


def plan_outputs(
    inputs: Sequence[str | Path], outputs: Mapping[str, str | Path | None], *, overwrite: bool = False
) -> list[Target]:
    """Name the outputs of every input, and check them against the inputs, each other and the disk.

    Several inputs, or an output that is a folder, give a folder with `<stem>.tif` for each. Raises `UsageError` for the
    first thing that is wrong; nothing has been written then.
    """
    if not inputs:
        raise UsageError("There is nothing to predict; name at least one raster.")
    sources = [str(source) for source in inputs]
    files = {kind: _files(sources, Path(path)) for kind, path in outputs.items() if path}
    targets = [
        Target(source, {kind: paths[index] for kind, paths in files.items()}) for index, source in enumerate(sources)
    ]
    _check_distinct(targets)
    for target in targets:
        _check_outputs(target, overwrite)
    return targets


def _files(sources: list[str], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.suffix.lower() in OUTPUT_DRIVERS:
        raise UsageError(f"{len(sources)} inputs need a folder as output; {output} is the name of one file.")
    return [output / f"{_stem(source)}.tif" for source in sources]


def _stem(source: str) -> str:
    # Of a URL the question at its end (a signature, say) is not part of the name.
    return Path(urlsplit(source).path if "://" in source else source).stem


def _check_distinct(targets: list[Target]) -> None:
    written = [path.resolve() for target in targets for path in target.outputs.values()]
    repeated = [path for path, count in Counter(written).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]} would be written twice. Give inputs of different names, or predict them apart."
        )
    read = {Path(target.source).resolve() for target in targets if "://" not in target.source}
    for path in written:
        if path in read:
            raise UsageError(f"{path} is an input and would be overwritten; choose another output.")


def _check_outputs(target: Target, overwrite: bool) -> None:
    is_ours = are_own_outputs(target.outputs)
    for kind, path in target.outputs.items():
        suffixes = tuple(OUTPUT_DRIVERS) if kind == "mask" else (".tif", ".tiff")
        check_output(path, overwrite=overwrite or is_ours, suffixes=suffixes)


logger = logging.getLogger("overland")


@dataclass(frozen=True)
class PredictOptions:
    """What a prediction is told beside models, inputs and outputs; as `overland.predict` has them, checked."""

    bands: tuple[int, ...] | None = None
    nodata: float | None = None
    limits: Bounds | Area | None = None
    threshold: float | None = None
    chip_size: int | None = None
    overlap: int | None = None
    max_memory_mb: float | None = None
    tta: str | None = None
    resample: str = "auto"
    creation: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneRun:
    """One scene to predict: its files, the part of it, the bands to read and the windows.

    `grid` is that of the outputs. Where the scene is resampled, `plan` is that of the model's pixels. `run` is what the
    result depends on, in words that a person understands.
    """

    source: str
    outputs: Mapping[str, Path]
    part: ScenePart
    grid: Grid
    bands: tuple[int, ...]
    plan: Plan
    resampling: Resampling | None
    costs: MemoryCosts
    run: Mapping[str, Any]

    @property
    def mask(self) -> Path:
        """The class map, beside which the journal lies."""
        return self.outputs["mask"]

    @property
    def megapixels(self) -> float:
        """Size of the outputs."""
        return self.grid.height * self.grid.width / 1e6

    @property
    def windows(self) -> int:
        """Number of windows that touch the part."""
        return self.plan.windows_touching(self.model_window)

    @property
    def model_window(self) -> Window:
        """The part in the pixels that the model sees."""
        return _model_window(self.part, self.resampling)

    @property
    def model_megapixels(self) -> float:
        """Size of all windows together."""
        return self.windows * self.plan.rows.chip * self.plan.cols.chip / 1e6

    @property
    def memory_mb(self) -> float:
        """Estimate of the memory at its largest."""
        return planned_memory_mb(self.plan, self.costs, width=self.model_window.width)


def plan_scene_runs(targets: Sequence[Target], ensemble: Ensemble, options: PredictOptions) -> list[SceneRun]:
    """Check every input against the model, and plan its windows.

    Inputs beside the area or the bounds are left out. Raises `DataError` for a scene that does not fit the model or
    cannot be read, and where no input is within the bounds.
    """
    jobs = [job for target in targets if (job := _job_of(target, ensemble, options)) is not None]
    if not jobs:
        raise DataError(_beside(targets, ensemble.bundle, options))
    divisor = ensemble.bundle.size_divisor
    if options.chip_size and options.chip_size % divisor:
        rounded = round_up(options.chip_size, divisor)
        logger.info("Chips are at most %d pixels: the model needs multiples of %d.", rounded, divisor)
    return jobs


def open_input(bundle: ModelBundle, source: str, nodata: float | None = None) -> Scene:
    """Open a scene the way the model wants it."""
    return open_scene(source, expand_palette=wants_palette_colors(bundle), nodata=nodata)


def _job_of(target: Target, ensemble: Ensemble, options: PredictOptions) -> SceneRun | None:
    with open_input(ensemble.bundle, target.source, options.nodata) as scene:
        bands = check_bands(ensemble.bundle, scene, options.bands)
        part = scene_part(target.source, scene.grid, options.limits)
        if part is None:
            logger.info("%s lies beside the area; it is left out.", target.source)
            return None
        resampling = None if ensemble.squash else choose_resampling(ensemble.bundle, scene, options.resample)
        seen = _model_window(part, resampling)
        whole = scene.grid.window if resampling is None else resampling.bounds
        costs = _costs(ensemble, scene, bands, part, resampling)
        if ensemble.squash:
            chip_size = _squashed_chip_size(target, whole, ensemble)
        else:
            chip_size = (
                options.chip_size
                or _recorded_chip_size(target, options)
                or _chip_size(seen.width, ensemble, costs, options)
            )
        plan = plan_windows(
            whole.height,
            whole.width,
            chip_size=chip_size,
            halo=_halo(ensemble, options),
            divisor=ensemble.divisor,
            streams=1 if ensemble.squash else ensemble.scorer.streams,
        )
        is_whole = part.window == scene.grid.window
        return SceneRun(
            source=target.source,
            outputs=target.outputs,
            part=part,
            grid=scene.grid if is_whole else scene.grid.cropped(part.window),
            bands=bands,
            plan=plan,
            resampling=resampling,
            costs=costs,
            run=_run(target, scene, part, bands, chip_size, plan, resampling, ensemble, options),
        )


def _squashed_chip_size(target: Target, whole: Window, ensemble: Ensemble) -> int:
    logger.warning(
        "This model resizes the whole of %s, %d x %d pixels, to %d x %d, as its system was published: what is narrower "
        "than a pixel of that is lost, and --chip-size, --overlap and --resample do nothing.",
        *(target.source, whole.height, whole.width, ensemble.squash, ensemble.squash),
    )
    return max(whole.height, whole.width)


def _halo(ensemble: Ensemble, options: PredictOptions) -> int:
    if ensemble.squash:
        return 0
    return ensemble.halo if options.overlap is None else math.ceil(options.overlap / 2)


def _model_window(part: ScenePart, resampling: Resampling | None) -> Window:
    return part.window if resampling is None else resampling.reversed.needed(part.window)


def _costs(
    ensemble: Ensemble, scene: Scene, bands: tuple[int, ...], part: ScenePart, resampling: Resampling | None
) -> MemoryCosts:
    num_scores = ensemble.scorer.num_scores
    pixel_bytes = len(bands) * np.dtype(scene.dtype).itemsize
    beside = (
        0
        if resampling is None
        else resampling_bytes(resampling, part.window.width, len(bands), pixel_bytes, num_scores)
    )
    return MemoryCosts(
        bytes_per_pixel=ensemble.bytes_per_pixel,
        streams=ensemble.scorer.streams,
        bands=len(bands),
        pixel_bytes=pixel_bytes,
        num_scores=num_scores,
        beside_bytes=beside,
    )


def _chip_size(width: int, ensemble: Ensemble, costs: MemoryCosts, options: PredictOptions) -> int:
    budget_mb = options.max_memory_mb or default_budget_mb(available_memory_mb())
    halo = _halo(ensemble, options)
    return chip_size_for(budget_mb, costs, width=width, halo=halo, divisor=ensemble.divisor)


def _recorded_chip_size(target: Target, options: PredictOptions) -> int | None:
    # What is free in memory differs from day to day; a run that is continued keeps to its windows.
    recorded = None if options.max_memory_mb else recorded_run(target.mask)
    chip_size = recorded[0].get("chip size") if recorded else None
    return chip_size if isinstance(chip_size, int) else None


def _run(
    target: Target,
    scene: Scene,
    part: ScenePart,
    bands: tuple[int, ...],
    chip_size: int,
    plan: Plan,
    resampling: Resampling | None,
    ensemble: Ensemble,
    options: PredictOptions,
) -> dict[str, Any]:
    grid, window = scene.grid, part.window
    return {
        **ensemble.identity,
        "input": target.source if "://" in target.source else str(Path(target.source).absolute()),
        "input file": scene.identity,
        "grid": f"{grid.height} x {grid.width}, {list(grid.transform)[:6]}, {grid.crs}",
        "outputs": {kind: str(path.absolute()) for kind, path in target.outputs.items()},
        "bands": bands,
        # NaN is unequal to itself.
        "nodata": str(options.nodata),
        "rows and columns": [window.row_off, window.col_off, window.height, window.width],
        "area": options.limits.digest if isinstance(options.limits, Area) else None,
        "threshold": options.threshold,
        "chip size": chip_size,
        "overlap": 2 * plan.rows.halo,
        "resampled to": None if resampling is None else [resampling.rows.size, resampling.cols.size],
        "tta": options.tta,
        "creation options": options.creation,
    }


def _beside(targets: Sequence[Target], bundle: ModelBundle, options: PredictOptions) -> str:
    limits = options.limits
    wanted = f"The area of {limits.path}" if isinstance(limits, Area) else f"The bounds {_said(limits or ())}"
    with open_input(bundle, targets[0].source) as scene:
        found = f"{targets[0].source} covers {_said(scene.grid.bounds)} ({scene.grid.crs or 'pixels'})"
    return f"{wanted} and the input do not meet; {found}. Bounds are left bottom right top in the CRS of the scene."


def _said(bounds: Sequence[float]) -> str:
    return " ".join(f"{value:.12g}" for value in bounds)

"""Predict: from scenes to class maps, window by window, written as they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from overland.bundle import ModelBundle, load_bundle, mask_from_probabilities
from overland.errors import UsageError
from overland.inference import Engine
from overland.inference.ensemble import Ensemble, open_ensemble
from overland.inference.measure import probe_seconds
from overland.inference.memory import megabytes
from overland.inference.region import Area, Bounds, ScenePart, check_bounds, read_area
from overland.inference.resample import ResampledScene
from overland.inference.scene_run import forget_journals, run_scene
from overland.inference.scene_task import PredictOptions, SceneRun, open_input, plan_outputs, plan_scene_runs
from overland.inference.summary import dry_run_summary, run_summary
from overland.progress import Advance
from overland.raster.write import check_creation

__all__ = ["OnProgress", "predict"]

OnProgress = Callable[[float, float], None]
"""Takes the megapixels done and the total; an exception that it raises stops the run."""


def predict(
    model: str | Path | ModelBundle,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    with_models: Sequence[str | Path] = (),
    bands: Sequence[int] | None = None,
    nodata: float | None = None,
    bounds: Sequence[float] | None = None,
    area: str | Path | None = None,
    scores: str | Path | None = None,
    confidence: str | Path | None = None,
    threshold: float | None = None,
    tta: str | None = None,
    engine: str | Engine = "auto",
    precision: str = "auto",
    resample: str = "auto",
    max_memory: str | float | None = None,
    chip_size: int | None = None,
    overlap: int | None = None,
    creation: Mapping[str, str] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Predict the class of each pixel of rasters of any size, in memory bounded by their width.

    `model` is a bundle or its folder; the probabilities of `with_models` are averaged with its own. `output` is a class
    map (`.tif`: cloud-optimised GeoTIFF with colours and class names; `.png`), or a folder when there are several
    inputs; likewise `scores`, the probabilities, and `confidence`, the largest of them and their entropy (0 certain, 1
    knows nothing): float32, NaN where there is no data. An input is a file, or the URL of one (https, s3).

    `bands` are counted from 1; `nodata` takes the place of the input's own. `bounds` (left, bottom, right, top in the
    CRS of the input) or `area` (a vector file of polygons) cut a part out. `threshold` overrides the tuned one of a
    two-class model. `tta` averages over "flips" (4 runs) or "d4" (8 runs). `engine` is the name of one, or one that
    `open_engine` gave for the model. With `resample` "auto" an input whose pixels are of another size than the model
    knows is brought to that for the network, and the map lies on the input's own pixels; "off" takes it as it is.
    `max_memory` ("4GB", or megabytes) decides how large the windows are, or `chip_size` does, in pixels; `overlap` is
    what neighbours share. `creation` are options of GDAL's driver COG. `dry_run` writes nothing and gives the plan,
    with time and memory estimated from up to three windows. `on_progress` is called with the megapixels done and the
    total of all inputs; an exception that it raises stops the run.

    A run that was stopped leaves its finished rows in `<output>.part`; the same call continues there, and the result is
    the same bytes. With `overwrite` outputs are replaced, and so are the leavings of a run that differs.

    Raises `DataError` for a scene that does not fit the model or cannot be read, `AccessError` when a server does not
    give one, `UsageError` for options that make no sense or differ from those of the run that is to be continued,
    `ResourceError` when disk or memory is used up. An output is there whole or not at all.
    """
    first = model if isinstance(model, ModelBundle) else load_bundle(model)
    _check_threshold(first, threshold)
    creation = {name.upper(): str(value) for name, value in (creation or {}).items()}
    check_creation(creation)
    options = PredictOptions(
        bands=None if bands is None else tuple(bands),
        nodata=nodata,
        limits=_limits(bounds, area),
        threshold=threshold,
        chip_size=chip_size,
        overlap=overlap,
        max_memory_mb=None if max_memory is None else megabytes(max_memory),
        tta=tta,
        resample=resample,
        creation=creation,
    )
    sources = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    outputs = {"mask": output, "scores": scores, "confidence": confidence}
    targets = plan_outputs(sources, outputs, overwrite=overwrite)
    ensemble = open_ensemble(first, with_models, engine, precision, tta)
    jobs = plan_scene_runs(targets, ensemble, options)
    if dry_run:
        return dry_run_summary(ensemble, jobs, output, _probe(ensemble, jobs, options))
    return _run(ensemble, jobs, options, output, overwrite, on_progress)


def _run(
    ensemble: Ensemble,
    jobs: list[SceneRun],
    options: PredictOptions,
    output: str | Path,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> dict[str, Any]:
    report = _reporter(jobs, on_progress)
    started = time.perf_counter()
    results = [run_scene(job, ensemble, options, overwrite=overwrite, report=report) for job in jobs]
    seconds = time.perf_counter() - started
    forget_journals(jobs)
    return run_summary(ensemble, jobs, results, output, seconds)


def _check_threshold(bundle: ModelBundle, threshold: float | None) -> None:
    if threshold is None:
        return
    if not 0 <= threshold <= 1:
        raise UsageError(f"A threshold is a probability from 0 to 1; got {threshold}.")
    # Asked of no pixels, the rule says whether it takes a threshold at all.
    mask_from_probabilities(bundle, np.zeros((bundle.num_scores, 0, 0), np.float32), threshold)


def _limits(bounds: Sequence[float] | None, area: str | Path | None) -> Bounds | Area | None:
    if bounds is not None and area is not None:
        raise UsageError("--bounds and --area both say what to cut out; give one of them.")
    if bounds is not None:
        return check_bounds(bounds)
    return None if area is None else read_area(area)


def _probe(ensemble: Ensemble, jobs: list[SceneRun], options: PredictOptions) -> float:
    seconds = 0.0
    for job in jobs:
        with open_input(ensemble.bundle, job.source, options.nodata) as scene:
            source = scene if job.resampling is None else ResampledScene(scene, job.resampling)
            region = ScenePart(job.model_window)
            seconds += probe_seconds(ensemble.scorer, source, job.bands, job.plan, region=region)
    return seconds


def _reporter(jobs: list[SceneRun], on_progress: OnProgress | None) -> Advance:
    total, done = sum(job.megapixels for job in jobs), 0.0

    def report(amount: float) -> None:
        nonlocal done
        done += amount
        if on_progress is not None:
            on_progress(min(done, total), total)

    return report

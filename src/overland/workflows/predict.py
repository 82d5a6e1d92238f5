"""Predict: from scenes to class maps, window by window, written as they are made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle, mask_from_scores
from overland.errors import UsageError
from overland.inference import Engine, open_engine, predict_scene
from overland.inference.predictor import Scores, WriteScores
from overland.inference.probe import probe_seconds
from overland.progress import track
from overland.raster import Grid, RasterWriter, Window, create_raster
from overland.workflows.predict_jobs import PredictJob, open_input, predict_jobs
from overland.workflows.predict_summary import dry_run_summary, run_summary

__all__ = ["predict"]


def predict(
    model: str | Path | ModelBundle,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    bands: Sequence[int] | None = None,
    scores: str | Path | None = None,
    threshold: float | None = None,
    chip_size: int | None = None,
    overlap: int | None = None,
    engine: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Predict the class of each pixel of rasters of any size, in memory bounded by their width.

    `model` is a bundle or its folder. `output` is a class map (`.tif`: cloud-optimised GeoTIFF with colours and class
    names; `.png`), or a folder when there are several inputs; `scores` likewise, float32 probabilities with NaN where
    there is no data. `bands` are counted from 1. `threshold` overrides the tuned one of a two-class model. `chip_size`
    is the largest window and `overlap` what neighbours share, both in pixels. `dry_run` writes nothing and gives the
    plan, with time and memory estimated from up to three windows.

    Raises `DataError` for a scene that does not fit the model or cannot be read, `UsageError` for options that make no
    sense, `ResourceError` when disk or memory is used up. An output is there whole or not at all.
    """
    bundle = model if isinstance(model, ModelBundle) else load_bundle(model)
    _check_threshold(bundle, threshold)
    sources = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    jobs = predict_jobs(
        bundle,
        sources,
        output,
        scores=scores or None,
        bands=bands,
        chip_size=chip_size,
        overlap=overlap,
        overwrite=overwrite,
    )
    runner = open_engine(bundle, engine)
    if dry_run:
        return dry_run_summary(bundle, runner, jobs, output, _probe(bundle, runner, jobs))
    started = time.perf_counter()
    counts = [_run_job(bundle, runner, job, threshold, overwrite) for job in jobs]
    return run_summary(bundle, runner, jobs, counts, output, time.perf_counter() - started)


def _check_threshold(bundle: ModelBundle, threshold: float | None) -> None:
    if threshold is None:
        return
    if not 0 <= threshold <= 1:
        raise UsageError(f"A threshold is a probability from 0 to 1; got {threshold}.")
    # Asked of no pixels, the rule says whether it takes a threshold at all.
    mask_from_scores(bundle, np.zeros((bundle.num_scores, 0, 0), np.float32), threshold)


def _probe(bundle: ModelBundle, engine: Engine, jobs: list[PredictJob]) -> float:
    seconds = 0.0
    for job in jobs:
        with open_input(bundle, job.source) as scene:
            seconds += probe_seconds(bundle, engine, scene, job.bands, job.plan)
    return seconds


def _run_job(
    bundle: ModelBundle, engine: Engine, job: PredictJob, threshold: float | None, overwrite: bool
) -> npt.NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    with ExitStack() as files:
        scene = files.enter_context(open_input(bundle, job.source))
        mask_file = files.enter_context(
            create_raster(
                job.output, scene.grid, nodata=bundle.legend.ignore_index, legend=bundle.legend, overwrite=overwrite
            )
        )
        scores_file = None
        if job.scores:
            scores_file = files.enter_context(_create_scores(job.scores, scene.grid, bundle, overwrite))
        write = _write_function(bundle, threshold, mask_file, scores_file, counts)
        advance = files.enter_context(track(f"Predict {Path(job.source).name}", job.plan.megapixels, "Mpx"))
        predict_scene(bundle, engine, scene, job.bands, job.plan, write, advance)
    return counts


def _create_scores(path: Path, grid: Grid, bundle: ModelBundle, overwrite: bool) -> Any:
    names = bundle.legend.names[-1:] if bundle.num_scores == 1 else bundle.legend.names
    return create_raster(
        path,
        grid,
        count=bundle.num_scores,
        dtype="float32",
        nodata=float("nan"),
        descriptions=names,
        overwrite=overwrite,
    )


def _write_function(
    bundle: ModelBundle,
    threshold: float | None,
    mask_file: RasterWriter,
    scores_file: RasterWriter | None,
    counts: npt.NDArray[np.int64],
) -> WriteScores:
    def write(window: Window, scores: Scores, valid: npt.NDArray[np.bool_]) -> None:
        mask = mask_from_scores(bundle, scores, threshold)
        mask[~valid] = bundle.legend.ignore_index
        mask_file.write(mask, window)
        for row in mask:
            counts[:] += np.bincount(row, minlength=256)
        if scores_file is not None:
            scores[:, ~valid] = np.nan
            scores_file.write(scores, window)

    return write

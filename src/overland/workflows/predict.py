"""Predict: from scenes to class maps, window by window, written as they are made."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.errors import OverlandError
from overland.inference.engines import Engine, EngineName, PrecisionName
from overland.inference.ensemble import Ensemble, load_models, open_ensemble
from overland.inference.machine import peak_memory_mb
from overland.inference.measure import probe_seconds
from overland.inference.options import PredictOptions, ResampleMode, TtaMode
from overland.inference.region import ScenePart
from overland.inference.resample import ResampledScene
from overland.inference.scene_plan import SceneRun, open_input, plan_outputs, plan_scene_runs
from overland.inference.scene_run import SceneResult, forget_journals, output_bytes, run_scene
from overland.legend import Legend
from overland.result import Result

__all__ = ["OnProgress", "PredictResult", "ScenePrediction", "predict", "predict_with"]

logger = logging.getLogger(__name__)

OnProgress = Callable[[float, float], None]
"""Takes the megapixels done and the total; an exception that it raises stops the run."""


@dataclass(frozen=True)
class ScenePrediction:
    """One scene of a prediction.

    Attributes:
        input: File name or URL of the scene.
        output: Its class map.
        probabilities: File of the probabilities; None where they were not asked for.
        confidence: File of the confidence; None where it was not asked for.
        bands: Bands that were read, counted from 1.
        height: Rows of the class map.
        width: Columns of the class map.
        windows: Number of windows.
        chip_size: Rows and columns of a window.
        overlap: Pixels that neighbouring windows have in common.
        overlap_overhead: Model pixels for each pixel of the map.
        resampled_to: Rows and columns of the scene in the model's pixels; None where it was taken as it is.
        resumed_at_row: Row at which an earlier run was continued; None where there was none.
        class_fractions: Fraction of the pixels with data that each class has; empty for a dry run.
        nodata_fraction: Fraction of the pixels without data; None for a dry run.
    """

    input: str
    output: str
    probabilities: str | None
    confidence: str | None
    bands: list[int]
    height: int
    width: int
    windows: int
    chip_size: list[int]
    overlap: int
    overlap_overhead: float
    resampled_to: list[int] | None
    resumed_at_row: int | None = None
    class_fractions: Mapping[str, float | None] = field(default_factory=dict)
    nodata_fraction: float | None = None


@dataclass(frozen=True)
class PredictResult(Result):
    """The result of a prediction, or of a dry run.

    Attributes:
        output: The class map, or the folder of several.
        engine: Program that ran the network.
        precision: Kind of numbers.
        device: "cpu", "cuda" or "mps".
        workers: Number of windows that were computed at once.
        windows: Number of windows of all scenes.
        megapixels: Size of all class maps in millions of pixels.
        overlap_overhead: Model pixels for each pixel of the maps.
        seconds: Time of the run; an estimate for a dry run.
        mpx_per_s: Millions of pixels a second that were computed now, without what an earlier run had left.
        scenes: The scenes, one by one.
        class_fractions: Fraction of the pixels with data that each class has; empty for a dry run.
        nodata_fraction: Fraction of the pixels without data; None for a dry run.
        resumed_at_row: Row at which an earlier run was continued; None where there was none.
        peak_memory_mb: Largest memory of the process; None for a dry run and where the system does not tell.
        dry_run: True where nothing was written.
        memory_mb: Estimate of the largest memory, for a dry run.
        output_mb_at_most: Size of the outputs before compression, for a dry run.
    """

    output: str
    engine: str
    precision: str
    device: str
    workers: int
    windows: int
    megapixels: float
    overlap_overhead: float
    seconds: float
    mpx_per_s: float
    scenes: list[ScenePrediction]
    class_fractions: Mapping[str, float | None] = field(default_factory=dict)
    nodata_fraction: float | None = None
    resumed_at_row: int | None = None
    peak_memory_mb: float | None = None
    dry_run: bool = False
    memory_mb: float | None = None
    output_mb_at_most: float | None = None


def predict(
    model: str | Path | ModelBundle,
    scenes: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    with_models: Sequence[str | Path] = (),
    bands: tuple[int, ...] | None = None,
    nodata: float | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    area: str | Path | None = None,
    probabilities: str | Path | None = None,
    confidence: str | Path | None = None,
    threshold: float | None = None,
    tta: TtaMode | None = None,
    engine: EngineName | Engine = "auto",
    precision: PrecisionName = "auto",
    resample: ResampleMode = "auto",
    max_memory: str | float | None = None,
    chip_size: int | None = None,
    overlap: int | None = None,
    creation: dict[str, str] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress | None = None,
) -> PredictResult:
    """Map scenes: write the class of each pixel of rasters of any size.

    A run that was stopped leaves its finished rows in OUTPUT.part; the same call continues there, and the result is the
    same bytes. The same model, engine, precision, scene and options give the same bytes on every number of processors
    and in any memory. An output is there whole or not at all.

    Args:
        model: A model's folder, the folder of a run, or the name of a pretrained model (see the command models).
        scenes: Rasters or images of any size, or URLs of them (https, s3).
        output: Class map: .tif (a cloud-optimised GeoTIFF with colours, class names and the scene's CRS) or .png; for
            several scenes a folder.
        with_models: Models whose probabilities are averaged with the first one's; may be given several times.
        bands: Bands to read, counted from 1, in the order that the model wants. [default: all but alpha]
        nodata: Value of the scenes that means no data. [default: what the file says]
        bounds: Map this rectangle only: left, bottom, right, top in the CRS of the scene.
        area: Map the polygons of this vector file only, in any CRS; there is no data around them.
        probabilities: Write the probabilities too: GeoTIFF of floats, NaN where there is no data.
        confidence: Write the largest probability and the entropy (0 is certain, 1 knows nothing) too.
        threshold: Smallest probability of class 1 in a two-class model, 0 to 1. [default: as tuned]
        tta: Average over mirrored windows (flips: 4 times the work), and turned ones (d4: 8 times).
        engine: Program that runs the network. [default: the fastest that is installed]
        precision: Kind of numbers. [default: fp32 on a processor, fp16 on a GPU]
        resample: Bring a scene to the resolution that the model knows, for the network alone. [default: where it
            differs]
        max_memory: Memory to stay below, such as 4GB or a number of megabytes; it decides how many windows are computed
            at once, and never changes the map. [default: 1.5GB, at most half of what is free]
        chip_size: Largest window in pixels. [default: what the model is meant for; another size changes the map a
            little]
        overlap: Pixels that neighbouring windows have in common. [default: what the model needs]
        creation: Creation option of GDAL's driver COG, such as COMPRESS=ZSTD; may be given several times.
        overwrite: Replace outputs that exist, and unfinished work of another run.
        dry_run: Write nothing; report windows, sizes, memory and time expected.
        on_progress: Called with the megapixels done and the total of all scenes; an exception that it raises stops the
            run.

    Returns:
        Sizes, rates, and the fraction of each class.

    Raises:
        DataError: A scene does not fit the model or cannot be read, or the model is damaged.
        AccessError: A server does not give a scene.
        UsageError: An option makes no sense, or differs from that of the run that is to be continued.
        ResourceError: Disk or memory is used up.
        OverlandError: No window was finished for a long time.
    """
    options = PredictOptions(
        with_models=with_models,
        bands=bands,
        nodata=nodata,
        bounds=bounds,
        area=area,
        probabilities=probabilities,
        confidence=confidence,
        threshold=threshold,
        tta=tta,
        engine=engine,
        precision=precision,
        resample=resample,
        max_memory=max_memory,
        chip_size=chip_size,
        overlap=overlap,
        creation=creation,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    return predict_with(model, scenes, output, options, on_progress=on_progress)


def predict_with(
    model: str | Path | ModelBundle,
    scenes: str | Path | Sequence[str | Path],
    output: str | Path,
    options: PredictOptions,
    *,
    on_progress: OnProgress | None = None,
) -> PredictResult:
    """Map scenes as `predict` does, with the options as one value.

    Args:
        model: A bundle, its folder, or the name of a pretrained model.
        scenes: Rasters or images, or URLs of them.
        output: Class map, or a folder for several scenes.
        options: Options of the run.
        on_progress: Called with the megapixels done and the total.

    Returns:
        Sizes, rates, and the fraction of each class.
    """
    models = load_models(model, options.with_models)
    sources = [scenes] if isinstance(scenes, str | Path) else list(scenes)
    runs = plan_scene_runs(plan_outputs(sources, output, options), models, options)
    try:
        max_workers = min(run.max_workers(options.max_memory_mb) for run in runs)
    except OverlandError as error:
        if not options.dry_run:
            raise
        # A dry run is asked how much it would take.
        logger.warning("%s", error)
        max_workers = 1
    ensemble = open_ensemble(models, options.engine, options.precision, options.tta, max_workers=max_workers)
    workers = ensemble.classifier.workers
    if ensemble.engines[0].device == "cpu":
        workers = min(workers, max_workers)
    if options.dry_run:
        return _dry_run(ensemble, runs, options, output, workers)
    total, done = sum(run.megapixels for run in runs), 0.0

    def report(amount: float) -> None:
        """Tell how far the run is.

        Args:
            amount: Megapixels that were done since the last call.
        """
        nonlocal done
        done += amount
        if on_progress is not None:
            on_progress(min(done, total), total)

    started = time.perf_counter()
    results = [run_scene(run, ensemble, options, workers=workers, report=report) for run in runs]
    seconds = time.perf_counter() - started
    forget_journals(runs, ensemble)
    legend = models.bundle.legend
    resumed = [result.resumed_at_row for result in results if result.resumed_at_row is not None]
    fractions, nodata_fraction = _fractions(legend, np.sum([result.counts for result in results], axis=0))
    return _result(
        ensemble,
        runs,
        output,
        workers,
        seconds,
        sum(result.computed_megapixels for result in results),
        [_scene(run, legend, result) for run, result in zip(runs, results, strict=True)],
        class_fractions=fractions,
        nodata_fraction=nodata_fraction,
        resumed_at_row=resumed[-1] if resumed else None,
        peak_memory_mb=peak_memory_mb(),
    )


def _dry_run(
    ensemble: Ensemble, runs: list[SceneRun], options: PredictOptions, output: str | Path, workers: int
) -> PredictResult:
    seconds = 0.0
    for run in runs:
        with open_input(ensemble.bundle, run.source, options.nodata) as scene:
            source = scene if run.resampling is None else ResampledScene(scene, run.resampling)
            region = ScenePart(run.model_window)
            seconds += probe_seconds(ensemble.classifier, source, run.bands, run.plan, region=region, workers=workers)
    legend = ensemble.bundle.legend
    written = sum(
        output_bytes(kind, ensemble.bundle, run.grid.height * run.grid.width) for run in runs for kind in run.outputs
    )
    return _result(
        ensemble,
        runs,
        output,
        workers,
        seconds,
        sum(run.megapixels for run in runs),
        [_scene(run, legend) for run in runs],
        dry_run=True,
        memory_mb=round(max(run.memory_mb(workers) for run in runs), 1),
        output_mb_at_most=round(written / 1e6, 1),
    )


def _result(
    ensemble: Ensemble,
    runs: list[SceneRun],
    output: str | Path,
    workers: int,
    seconds: float,
    computed_megapixels: float,
    scenes: list[ScenePrediction],
    *,
    class_fractions: Mapping[str, float | None] | None = None,
    nodata_fraction: float | None = None,
    resumed_at_row: int | None = None,
    peak_memory_mb: float | None = None,
    dry_run: bool = False,
    memory_mb: float | None = None,
    output_mb_at_most: float | None = None,
) -> PredictResult:
    megapixels = sum(run.megapixels for run in runs)
    engine = ensemble.engines[0]
    return PredictResult(
        output=str(output),
        engine=engine.name,
        precision=engine.precision,
        device=engine.device,
        workers=workers,
        windows=sum(run.windows for run in runs),
        megapixels=round(megapixels, 6),
        overlap_overhead=round(sum(run.model_megapixels for run in runs) / megapixels, 3),
        seconds=round(seconds, 3),
        mpx_per_s=round(computed_megapixels / seconds, 3),
        scenes=scenes,
        class_fractions=class_fractions or {},
        nodata_fraction=nodata_fraction,
        resumed_at_row=resumed_at_row,
        peak_memory_mb=peak_memory_mb,
        dry_run=dry_run,
        memory_mb=memory_mb,
        output_mb_at_most=output_mb_at_most,
    )


def _scene(run: SceneRun, legend: Legend, result: SceneResult | None = None) -> ScenePrediction:
    fractions: Mapping[str, float | None] = {}
    nodata_fraction = None
    if result is not None:
        fractions, nodata_fraction = _fractions(legend, result.counts)
    probabilities, confidence = (run.outputs.get(kind) for kind in ("probabilities", "confidence"))
    return ScenePrediction(
        input=run.source,
        output=str(run.mask),
        probabilities=None if probabilities is None else str(probabilities),
        confidence=None if confidence is None else str(confidence),
        bands=list(run.bands),
        height=run.grid.height,
        width=run.grid.width,
        windows=run.windows,
        chip_size=[run.plan.rows.chip, run.plan.cols.chip],
        overlap=2 * run.plan.rows.halo,
        overlap_overhead=round(run.model_megapixels / run.megapixels, 3),
        resampled_to=None if run.resampling is None else [run.resampling.rows.size, run.resampling.cols.size],
        resumed_at_row=None if result is None else result.resumed_at_row,
        class_fractions=fractions,
        nodata_fraction=nodata_fraction,
    )


def _fractions(legend: Legend, counts: npt.NDArray[np.int64]) -> tuple[dict[str, float | None], float]:
    valid = int(counts[: legend.num_classes].sum())
    fractions = {
        name: round(int(counts[index]) / valid, 6) if valid else None for index, name in enumerate(legend.names)
    }
    return fractions, round(1 - valid / int(counts.sum()), 6)

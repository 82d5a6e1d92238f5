"""Running one scene's prediction: what is missing is computed, what is finished is durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from overland.inference import predict_resampled, predict_scene
from overland.inference.blend import Scores
from overland.inference.predictor import WriteScores
from overland.progress import Advance, track
from overland.raster import Window
from overland.raster.journal import Journal, open_journal
from overland.raster.row_bands import RowBands, RowBandsOutput, iter_row_bands
from overland.workflows.predict_ensemble import Ensemble
from overland.workflows.predict_jobs import PredictJob, PredictOptions, open_input
from overland.workflows.predict_outputs import output_pixels, output_profile

__all__ = ["JobResult", "forget_journals", "run_job"]

logger = logging.getLogger("overland")


@dataclass(frozen=True)
class JobResult:
    """What came of a job: pixels of each mask value, the row at which it was continued, megapixels computed now."""

    counts: npt.NDArray[np.int64]
    resumed_at_row: int | None
    computed_megapixels: float


def run_job(
    job: PredictJob, ensemble: Ensemble, options: PredictOptions, *, overwrite: bool, report: Advance
) -> JobResult:
    """Predict a scene, or what an earlier run of the same job has left of it; `report` gets the megapixels done.

    When it stops before the end, finished rows are kept. The journal stays until `forget_journals`.
    """
    with open_journal(job.mask, job.run, overwrite=overwrite) as journal:
        bands = RowBands(journal, _row_band_outputs(job, ensemble, options))
        missing = bands.missing()
        row = _first_row(job, missing)
        _say_continued(job, row)
        rows = sum(end - first for first, end in missing)
        report(job.megapixels * (1 - rows / job.grid.height))
        with _told_what_is_kept(job, journal, bands):
            _predict_rows(job, ensemble, options, bands, missing, report)
            if not bands.is_done:
                bands.assemble()
        return JobResult(_counts(bands), row, rows * job.grid.width / 1e6)


def forget_journals(jobs: list[PredictJob]) -> None:
    """Remove the journals of jobs that are done."""
    for job in jobs:
        with open_journal(job.mask, job.run) as journal:
            journal.remove()


def _row_band_outputs(job: PredictJob, ensemble: Ensemble, options: PredictOptions) -> dict[str, RowBandsOutput]:
    return {
        kind: RowBandsOutput(path, output_profile(kind, ensemble.bundle, job.grid, options.creation))
        for kind, path in job.outputs.items()
    }


def _predict_rows(
    job: PredictJob,
    ensemble: Ensemble,
    options: PredictOptions,
    bands: RowBands,
    missing: list[tuple[int, int]],
    report: Advance,
) -> None:
    megapixels = sum(end - first for first, end in missing) * job.grid.width / 1e6
    write = _write_function(job, ensemble, options, bands)
    with (
        open_input(ensemble.bundle, job.source, options.nodata) as scene,
        track(f"Predict {job.mask.stem}", megapixels, "Mpx") as advance,
    ):
        predict_rows = predict_scene
        if job.resampling is not None:
            predict_rows = partial(predict_resampled, resampling=job.resampling)
        for first, end in missing:
            region = job.part.until(end)
            predict_rows(
                ensemble.scorer,
                scene,
                job.bands,
                job.plan,
                write,
                advance=_both(advance, report),
                region=region,
                first_row=first,
            )


def _write_function(job: PredictJob, ensemble: Ensemble, options: PredictOptions, bands: RowBands) -> WriteScores:
    def write(window: Window, scores: Scores, valid: npt.NDArray[np.bool_]) -> None:
        for first, end in iter_row_bands(window.row_end, window.row_off):
            rows = slice(first - window.row_off, end - window.row_off)
            pixels = {
                kind: output_pixels(kind, ensemble.bundle, scores[:, rows], valid[rows], options.threshold)
                for kind in job.outputs
            }
            bands.write(first, pixels, {"counts": _count(pixels["mask"])})

    return write


def _count(mask: npt.NDArray[np.uint8]) -> dict[str, int]:
    # Row by row, because bincount makes eight bytes of each pixel.
    counts = np.sum([np.bincount(row, minlength=256) for row in mask[0]], axis=0)
    return {str(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _counts(bands: RowBands) -> npt.NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for notes in bands.notes:
        for value, count in notes["counts"].items():
            counts[int(value)] += count
    return counts


def _first_row(job: PredictJob, missing: list[tuple[int, int]]) -> int | None:
    if missing == [(0, job.grid.height)]:
        return None
    return missing[0][0] if missing else job.grid.height


def _say_continued(job: PredictJob, row: int | None) -> None:
    if row == job.grid.height:
        logger.info("%s is done already.", job.mask)
    elif row is not None:
        logger.info("Continuing %s at row %s of %s.", job.mask, f"{row:,}", f"{job.grid.height:,}")


@contextmanager
def _told_what_is_kept(job: PredictJob, journal: Journal, bands: RowBands) -> Iterator[None]:
    try:
        yield
    except BaseException:
        rows = job.grid.height - sum(end - first for first, end in bands.missing())
        if rows:
            logger.info(
                "%s of %s rows are kept in %s; the same command continues there.",
                f"{rows:,}",
                f"{job.grid.height:,}",
                journal.folder,
            )
        raise


def _both(first: Advance, second: Advance) -> Callable[[float], None]:
    def advance(amount: float) -> None:
        first(amount)
        second(amount)

    return advance

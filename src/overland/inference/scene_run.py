"""Running one scene's prediction: what is missing is computed, what is finished is durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_probabilities
from overland.inference import predict_resampled, predict_scene
from overland.inference.ensemble import Ensemble
from overland.inference.predictor import WriteProbabilities
from overland.inference.scene_task import PredictOptions, SceneRun, open_input
from overland.progress import Advance, track
from overland.raster import Grid, Window
from overland.raster.journal import Journal, open_journal
from overland.raster.row_blocks import RowBlocks, RowBlocksOutput, iter_row_blocks
from overland.raster.write import RasterProfile

__all__ = [
    "KINDS",
    "SceneResult",
    "confidence_from_probabilities",
    "forget_journals",
    "output_bytes",
    "output_pixels",
    "output_profile",
    "run_scene",
]


# What a prediction writes: the class map, and on request the probabilities and how sure the model is.

KINDS = ("mask", "scores", "confidence")

Scores = npt.NDArray[np.float32]

# A pyramid of overviews adds a third to the pixels of a file.
_WITH_OVERVIEWS = 4 / 3


def output_profile(kind: str, bundle: ModelBundle, grid: Grid, creation: Mapping[str, str]) -> RasterProfile:
    """The profile of one of `KINDS` on a grid, with more creation options of the driver COG."""
    if kind == "mask":
        return RasterProfile(grid, nodata=bundle.legend.ignore_index, legend=bundle.legend, creation=creation)
    names = _score_names(bundle) if kind == "scores" else ("probability", "entropy")
    return RasterProfile(grid, len(names), "float32", float("nan"), descriptions=names, creation=creation)


def output_bytes(kind: str, bundle: ModelBundle, pixels: int) -> int:
    """Size of one of `KINDS`, before compression."""
    return round(pixels * {"mask": 1, "scores": 4 * bundle.num_scores, "confidence": 8}[kind] * _WITH_OVERVIEWS)


def output_pixels(
    kind: str, bundle: ModelBundle, scores: Scores, valid: npt.NDArray[np.bool_], threshold: float | None
) -> npt.NDArray[Any]:
    """Turn scores (scores, height, width) into the pixels (bands, height, width) of one of `KINDS`."""
    if kind == "mask":
        mask = mask_from_probabilities(bundle, scores, threshold)
        mask[~valid] = bundle.legend.ignore_index
        return mask[None]
    values = scores if kind == "scores" else confidence_from_probabilities(scores)
    return np.where(valid, values, np.float32(np.nan))


def confidence_from_probabilities(scores: Scores) -> Scores:
    """How sure a model is: the largest probability, and the entropy as a share of the largest that is possible.

    Takes probabilities (scores, height, width); one score is that of class 1 of two. Returns float32 (2, height,
    width); entropy 0 is certain, 1 knows nothing. Source: Shannon (1948).
    """
    if len(scores) == 1:
        scores = np.concatenate([1 - scores, scores])
    entropy = np.zeros(scores.shape[1:], np.float32)
    for probability in scores:
        # The limit of p log p at 0 is 0.
        entropy -= probability * np.log(np.maximum(probability, np.float32(1e-30)))
    return np.stack([scores.max(axis=0), entropy / np.float32(np.log(len(scores)))])


def _score_names(bundle: ModelBundle) -> tuple[str, ...]:
    return bundle.legend.names[-1:] if bundle.num_scores == 1 else bundle.legend.names


logger = logging.getLogger("overland")


@dataclass(frozen=True)
class SceneResult:
    """What came of a job: pixels of each mask value, the row at which it was continued, megapixels computed now."""

    counts: npt.NDArray[np.int64]
    resumed_at_row: int | None
    computed_megapixels: float


def run_scene(
    job: SceneRun, ensemble: Ensemble, options: PredictOptions, *, overwrite: bool, report: Advance
) -> SceneResult:
    """Predict a scene, or what an earlier run of the same job has left of it; `report` gets the megapixels done.

    When it stops before the end, finished rows are kept. The journal stays until `forget_journals`.
    """
    with open_journal(job.mask, job.run, overwrite=overwrite) as journal:
        bands = RowBlocks(journal, _row_band_outputs(job, ensemble, options))
        missing = bands.missing()
        row = _first_row(job, missing)
        _say_continued(job, row)
        rows = sum(end - first for first, end in missing)
        report(job.megapixels * (1 - rows / job.grid.height))
        with _told_what_is_kept(job, journal, bands):
            _predict_rows(job, ensemble, options, bands, missing, report)
            if not bands.is_done:
                bands.assemble()
        return SceneResult(_counts(bands), row, rows * job.grid.width / 1e6)


def forget_journals(jobs: list[SceneRun]) -> None:
    """Remove the journals of jobs that are done."""
    for job in jobs:
        with open_journal(job.mask, job.run) as journal:
            journal.remove()


def _row_band_outputs(job: SceneRun, ensemble: Ensemble, options: PredictOptions) -> dict[str, RowBlocksOutput]:
    return {
        kind: RowBlocksOutput(path, output_profile(kind, ensemble.bundle, job.grid, options.creation))
        for kind, path in job.outputs.items()
    }


def _predict_rows(
    job: SceneRun,
    ensemble: Ensemble,
    options: PredictOptions,
    bands: RowBlocks,
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


def _write_function(job: SceneRun, ensemble: Ensemble, options: PredictOptions, bands: RowBlocks) -> WriteProbabilities:
    def write(window: Window, scores: Scores, valid: npt.NDArray[np.bool_]) -> None:
        for first, end in iter_row_blocks(window.row_end, window.row_off):
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


def _counts(bands: RowBlocks) -> npt.NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for notes in bands.notes:
        for value, count in notes["counts"].items():
            counts[int(value)] += count
    return counts


def _first_row(job: SceneRun, missing: list[tuple[int, int]]) -> int | None:
    if missing == [(0, job.grid.height)]:
        return None
    return missing[0][0] if missing else job.grid.height


def _say_continued(job: SceneRun, row: int | None) -> None:
    if row == job.grid.height:
        logger.info("%s is done already.", job.mask)
    elif row is not None:
        logger.info("Continuing %s at row %s of %s.", job.mask, f"{row:,}", f"{job.grid.height:,}")


@contextmanager
def _told_what_is_kept(job: SceneRun, journal: Journal, bands: RowBlocks) -> Iterator[None]:
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

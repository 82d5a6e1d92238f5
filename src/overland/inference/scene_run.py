"""Running one scene's prediction: rows that are missing are computed, rows that are finished are safe on the disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle
from overland.geo.grid import Grid, Window
from overland.inference.ensemble import Ensemble
from overland.inference.options import PredictOptions
from overland.inference.predictor import predict_scene
from overland.inference.probabilities import (
    Probabilities,
    Valid,
    confidence_from_probabilities,
    mask_from_probabilities,
)
from overland.inference.resample import predict_resampled
from overland.inference.scene_plan import SceneRun, open_input
from overland.inference.threads import StalledError, Watchdog
from overland.progress import Advance, track
from overland.raster.journal import Journal, open_journal
from overland.raster.row_blocks import RowBlocks, RowBlocksOutput, iter_row_blocks
from overland.raster.write import RasterProfile

__all__ = ["KINDS", "SceneResult", "forget_journals", "output_bytes", "output_pixels", "output_profile", "run_scene"]

logger = logging.getLogger(__name__)

KINDS = ("mask", "probabilities", "confidence")
"""What a prediction writes: the class map, and on request the probabilities and how sure the model is."""

# A pyramid of overviews adds a third to the pixels of a file.
_WITH_OVERVIEWS = 4 / 3


def output_profile(kind: str, bundle: ModelBundle, grid: Grid, creation: Mapping[str, str]) -> RasterProfile:
    """Describe the file of a kind of output.

    Args:
        kind: One of `KINDS`.
        bundle: The model.
        grid: Where the output lies.
        creation: More creation options of GDAL's driver COG.

    Returns:
        The profile.
    """
    if kind == "mask":
        return RasterProfile(grid, nodata=bundle.legend.ignore_index, legend=bundle.legend, creation=creation)
    names = bundle.legend.names if kind == "probabilities" else ("probability", "entropy")
    if kind == "probabilities" and bundle.num_outputs == 1:
        names = names[-1:]
    return RasterProfile(grid, len(names), "float32", float("nan"), descriptions=names, creation=creation)


def output_bytes(kind: str, bundle: ModelBundle, pixels: int) -> int:
    """Estimate the size of an output before compression.

    Args:
        kind: One of `KINDS`.
        bundle: The model.
        pixels: Number of pixels.

    Returns:
        Bytes, with overviews.
    """
    return round(pixels * {"mask": 1, "probabilities": 4 * bundle.num_outputs, "confidence": 8}[kind] * _WITH_OVERVIEWS)


def output_pixels(
    kind: str, bundle: ModelBundle, probabilities: Probabilities, valid: Valid, threshold: float | None
) -> npt.NDArray[Any]:
    """Turn probabilities into the pixels of an output.

    Args:
        kind: One of `KINDS`.
        bundle: The model.
        probabilities: Probabilities (outputs, height, width).
        valid: Which pixels are wanted and hold data (height, width).
        threshold: Smallest probability of class 1 in a two-class model; as tuned without it.

    Returns:
        Pixels (bands, height, width): class ids with the ignored value, or floats with NaN, where there is no data.
    """
    if kind == "mask":
        mask = mask_from_probabilities(bundle, probabilities, threshold)
        mask[~valid] = bundle.legend.ignore_index
        return mask[None]
    values = probabilities if kind == "probabilities" else confidence_from_probabilities(probabilities)
    return np.where(valid, values, np.float32(np.nan))


@dataclass(frozen=True)
class SceneResult:
    """The result of a scene's prediction.

    Attributes:
        counts: Number of pixels of each mask value (256,).
        resumed_at_row: Row at which an earlier run was continued; None where there was none.
        computed_megapixels: Millions of pixels that were computed now.
    """

    counts: npt.NDArray[np.int64]
    resumed_at_row: int | None
    computed_megapixels: float


def run_scene(
    run: SceneRun, ensemble: Ensemble, options: PredictOptions, *, workers: int, report: Advance
) -> SceneResult:
    """Predict a scene, or the rows of it that an earlier run with the same options did not reach.

    When it stops before the end, finished rows are kept. The journal stays until `forget_journals`.

    Args:
        run: The scene.
        ensemble: The models with their engines.
        options: Options of the run.
        workers: Number of windows that are computed at once.
        report: Called with the megapixels that are done.

    Returns:
        Counts and sizes.

    Raises:
        StalledError: No window was finished for a long time.
        OverlandError: Reading, the model or writing failed.
    """
    outputs = {
        kind: RowBlocksOutput(path, output_profile(kind, ensemble.bundle, run.grid, options.creation_options))
        for kind, path in run.outputs.items()
    }
    with open_journal(run.mask, _identity(run, ensemble), overwrite=options.overwrite) as journal:
        blocks = RowBlocks(journal, outputs)
        missing = blocks.missing()
        rows = sum(end - first for first, end in missing)
        resumed_at_row = None
        if missing != [(0, run.grid.height)]:
            resumed_at_row = missing[0][0] if missing else run.grid.height
        if not missing:
            logger.info("%s is done already.", run.mask)
        elif resumed_at_row is not None:
            logger.info("Continuing %s at row %s of %s.", run.mask, f"{resumed_at_row:,}", f"{run.grid.height:,}")
        report(run.megapixels * (1 - rows / run.grid.height))
        with _tell_what_is_kept(run, journal, blocks):
            _predict_rows(run, ensemble, options, blocks, missing, workers, report)
            if not blocks.is_done:
                blocks.assemble()
        counts = np.zeros(256, np.int64)
        for notes in blocks.notes:
            for value, count in notes["counts"].items():
                counts[int(value)] += count
        return SceneResult(counts, resumed_at_row, rows * run.grid.width / 1e6)


def forget_journals(runs: list[SceneRun], ensemble: Ensemble) -> None:
    """Remove the journals of scenes that are done.

    Args:
        runs: The scenes.
        ensemble: The models with their engines.
    """
    for run in runs:
        with open_journal(run.mask, _identity(run, ensemble)) as journal:
            journal.remove()


def _identity(run: SceneRun, ensemble: Ensemble) -> dict[str, Any]:
    return {**ensemble.identity, **run.settings}


def _predict_rows(
    run: SceneRun,
    ensemble: Ensemble,
    options: PredictOptions,
    blocks: RowBlocks,
    missing: list[tuple[int, int]],
    workers: int,
    report: Advance,
) -> None:
    def write(window: Window, probabilities: Probabilities, valid: Valid) -> None:
        for first, end in iter_row_blocks(window.row_end, window.row_off):
            rows = slice(first - window.row_off, end - window.row_off)
            pixels = {
                kind: output_pixels(kind, ensemble.bundle, probabilities[:, rows], valid[rows], options.threshold)
                for kind in run.outputs
            }
            # Row by row, because bincount makes eight bytes of each pixel.
            counts = np.sum([np.bincount(row, minlength=256) for row in pixels["mask"][0]], axis=0)
            notes = {str(value): int(counts[value]) for value in np.flatnonzero(counts)}
            blocks.write(first, pixels, {"counts": notes})

    def advance(amount: float) -> None:
        show(amount)
        report(amount)

    megapixels = sum(end - first for first, end in missing) * run.grid.width / 1e6
    with ExitStack() as stack:
        scene = stack.enter_context(open_input(ensemble.bundle, run.source, options.nodata))
        show = stack.enter_context(track(f"Predict {run.mask.stem}", megapixels, "Mpx"))
        predict_rows = predict_scene
        if run.resampling is not None:
            predict_rows = partial(predict_resampled, resampling=run.resampling)
        try:
            for first, end in missing:
                predict_rows(
                    ensemble.classifier,
                    scene,
                    run.bands,
                    run.plan,
                    write,
                    advance=advance,
                    region=run.part.until(end),
                    first_row=first,
                    workers=workers,
                    watchdog=Watchdog(),
                )
        except StalledError:
            # A thread may hang in reading, and closing the file under it would crash the process.
            stack.pop_all()
            raise


@contextmanager
def _tell_what_is_kept(run: SceneRun, journal: Journal, blocks: RowBlocks) -> Iterator[None]:
    try:
        yield
    except BaseException:
        rows = run.grid.height - sum(end - first for first, end in blocks.missing())
        if rows:
            logger.info(
                "%s of %s rows are kept in %s; the same command continues there.",
                f"{rows:,}",
                f"{run.grid.height:,}",
                journal.folder,
            )
        raise

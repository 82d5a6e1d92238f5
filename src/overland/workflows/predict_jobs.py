"""What a prediction is to do, settled and checked before it starts: per scene the files, the bands and the windows."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overland.bundle import ModelBundle
from overland.errors import UsageError
from overland.inference import Plan, check_scene, plan_windows, wants_palette_colors
from overland.inference.plan import DEFAULT_CHIP_SIZE, round_up
from overland.raster import Scene, open_scene
from overland.raster.write import check_output

__all__ = ["PredictJob", "open_input", "predict_jobs"]

logger = logging.getLogger("overland")

# A pyramid of overviews adds a third to the pixels of a file.
_WITH_OVERVIEWS = 4 / 3


@dataclass(frozen=True)
class PredictJob:
    """One scene to predict: where the mask and maybe the scores go, the bands to read and the windows."""

    source: str
    output: Path
    scores: Path | None
    bands: tuple[int, ...]
    plan: Plan
    dtype: str

    def buffer_bytes(self, num_scores: int) -> int:
        """Memory of the pixels and scores in flight."""
        return self.plan.buffer_bytes(len(self.bands) * np.dtype(self.dtype).itemsize, num_scores)

    def output_bytes(self, num_scores: int) -> int:
        """Size of the files written, before compression."""
        each = 1 + (4 * num_scores if self.scores else 0)
        return round(self.plan.megapixels * 1e6 * each * _WITH_OVERVIEWS)


def predict_jobs(
    bundle: ModelBundle,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    scores: str | Path | None,
    bands: Sequence[int] | None,
    chip_size: int | None,
    overlap: int | None,
    overwrite: bool,
) -> list[PredictJob]:
    """Check every input against the model and every output against the disk, and plan the windows.

    Several inputs, or an output that is a folder, give a folder with `<stem>.tif` for each. Raises `UsageError` or
    `DataError` for the first thing that is wrong; nothing has been written then.
    """
    if not inputs:
        raise UsageError("There is nothing to predict; name at least one raster.")
    sources = [str(source) for source in inputs]
    outputs = _targets(sources, Path(output))
    scores_outputs = _targets(sources, Path(scores)) if scores else [None] * len(sources)
    _check_distinct(sources, outputs, scores_outputs)
    jobs = []
    for source, target, scores_target in zip(sources, outputs, scores_outputs, strict=True):
        with open_input(bundle, source) as scene:
            chosen = check_scene(bundle, scene, bands)
            plan = _plan_of(bundle, scene, chip_size, overlap)
            jobs.append(PredictJob(source, target, scores_target, chosen, plan, scene.dtype))
        check_output(target, overwrite=overwrite)
        if scores_target:
            check_output(scores_target, overwrite=overwrite, suffixes=(".tif", ".tiff"))
    if chip_size and chip_size % bundle.size_divisor:
        rounded = round_up(chip_size, bundle.size_divisor)
        logger.info("Chips are at most %d pixels: the model needs multiples of %d.", rounded, bundle.size_divisor)
    return jobs


def open_input(bundle: ModelBundle, source: str) -> Scene:
    """Open a scene the way the model wants it."""
    return open_scene(source, expand_palette=wants_palette_colors(bundle))


def _plan_of(bundle: ModelBundle, scene: Scene, chip_size: int | None, overlap: int | None) -> Plan:
    return plan_windows(
        scene.height,
        scene.width,
        chip_size=DEFAULT_CHIP_SIZE if chip_size is None else chip_size,
        halo=bundle.halo if overlap is None else -(-overlap // 2),
        divisor=bundle.size_divisor,
    )


def _targets(sources: list[str], output: Path) -> list[Path]:
    if len(sources) == 1 and not output.is_dir():
        return [output]
    if output.suffix.lower() in {".tif", ".tiff", ".png"}:
        raise UsageError(f"{len(sources)} inputs need a folder as output; {output} is the name of one file.")
    return [output / f"{Path(source).stem}.tif" for source in sources]


def _check_distinct(sources: list[str], outputs: list[Path], scores: Sequence[Path | None]) -> None:
    written = [path.resolve() for path in (*outputs, *scores) if path is not None]
    repeated = [path for path, count in Counter(written).items() if count > 1]
    if repeated:
        raise UsageError(
            f"{repeated[0]} would be written twice. Give inputs of different names, or predict them apart."
        )
    read = {Path(source).resolve() for source in sources}
    for path in written:
        if path in read:
            raise UsageError(f"{path} is an input and would be overwritten; choose another output.")

"""A model that answers for the samples of a dataset: scores and masks beside the truth, and pictures of a few."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, mask_from_scores
from overland.datasets import Dataset, Sample, read_sample
from overland.errors import DataError
from overland.inference import ModelScorer, plan_image, predict_array
from overland.inference.ahead import map_ahead, worker_threads
from overland.metrics import headline_score
from overland.metrics.confusion import Confusion
from overland.raster import open_scene
from overland.report.pictures import PictureItem

__all__ = ["Judge", "Judged", "check_image", "iter_judged", "worst_median_best"]


@dataclass(frozen=True)
class Judged:
    """One image (bands, height, width) with its truth, where it holds data, and what the model says of it."""

    image: npt.NDArray[Any]
    target: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Judge:
    """A model that is ready to answer for the samples of a dataset; `threshold` is None where the largest decides."""

    bundle: ModelBundle
    dataset: Dataset
    scorer: ModelScorer
    threshold: float | None

    def __call__(self, sample: Sample) -> Judged:
        """Predict one sample. Raises `DataError` when it does not fit the model."""
        check_image(self.bundle, sample.image)
        image, target, valid = read_sample(self.dataset, sample, self.bundle.bands)
        plan = plan_image(self.bundle, *valid.shape)
        # One after the other: several samples are judged at once.
        scores = predict_array(self.scorer, image, valid, plan, at_once=1)
        return Judged(image, target, valid, scores, mask_from_scores(self.bundle, scores, self.threshold))


def check_image(bundle: ModelBundle, path: Path) -> None:
    """Raise `DataError` for an image without the model's bands or of another pixel type."""
    with open_scene(path, expand_palette=True) as scene:
        fits = scene.dtype == bundle.dtype and max(bundle.bands) <= scene.count
    if not fits:
        bands = ", ".join(map(str, bundle.bands))
        raise DataError(
            f"{path} has {scene.count} bands of {scene.dtype}; "
            f"the model was trained on bands {bands} of {bundle.dtype}. "
            "Convert the images to what the model knows, or train a model on these."
        )


def iter_judged(judge: Judge, samples: Sequence[Sample]) -> Iterator[Judged]:
    """Predict samples in their order, as many at once as the engine wants."""
    streams = judge.scorer.streams
    with worker_threads(streams) as threads:
        for _, judged in map_ahead(judge, samples, threads, busy=streams):
            yield judged


def worst_median_best(judge: Judge, samples: Sequence[Sample], confusions: Sequence[Confusion]) -> list[PictureItem]:
    """Pictures of the samples with the lowest, the middle and the highest score; none where no score exists."""
    # These three are predicted again: keeping every mask until the order is known would take unbounded memory.
    scores = [headline_score(confusion, judge.bundle.legend) for confusion in confusions]
    order = sorted(
        (index for index, score in enumerate(scores) if math.isfinite(score)), key=lambda index: scores[index]
    )
    if not order:
        return []
    places = {order[0]: "Worst", order[len(order) // 2]: "Median", order[-1]: "Best"}
    return [_picture(judge, samples[index], title, scores[index]) for index, title in places.items()]


def _picture(judge: Judge, sample: Sample, title: str, score: float) -> PictureItem:
    judged, legend = judge(sample), judge.bundle.legend
    key = "IoU" if legend.is_binary else "mean IoU"
    return PictureItem(
        f"{title}: {sample.key}, {key} {score:.3f}",
        judged.mask,
        judged.target,
        judged.image,
        judged.valid,
        scores=judged.scores[-1] if legend.is_binary else judged.scores.max(axis=0),
    )

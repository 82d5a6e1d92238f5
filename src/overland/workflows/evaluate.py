"""Evaluate: how well a model does on the labelled images of a dataset."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle, mask_from_scores
from overland.datasets import Dataset, Sample, dataset_from_path, read_sample
from overland.errors import DataError, UsageError
from overland.inference import ModelScorer, model_scorer, open_engine, plan_windows, predict_array
from overland.inference.ahead import map_ahead, worker_threads
from overland.inference.plan import DEFAULT_CHIP_SIZE
from overland.metrics import ThresholdCurve, confusion_matrix, headline_score, image_scores, summary_from_confusions
from overland.metrics.confusion import Confusion
from overland.metrics.roads import RoadCounts, road_counts_for
from overland.progress import track
from overland.raster import open_scene
from overland.report.evaluation import write_evaluation
from overland.report.pictures import PictureItem
from overland.workflows.output_folder import check_folder, free_folder, write_folder

__all__ = ["check_image", "evaluate", "evaluate_dataset", "labelled_samples", "with_legend_of"]

logger = logging.getLogger("overland")


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "val",
    threshold: float | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    roads: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a model bundle on one split of a dataset, and write scores, figures and pictures to a folder.

    `threshold` overrides the one in the bundle. Without `output` a new folder `evaluations/<model>-<data>-<split>` is
    made. Returns what `metrics.summary_from_confusions` gives, with the model, the data, the threshold used and, for
    a binary legend, the best one on this split; with `roads` also the block `roads` of `metrics.roads`. Raises
    `DataError` when the dataset does not fit the model, and `UsageError` for a setting that makes no sense or an output
    that exists.
    """
    bundle, dataset = load_bundle(model), dataset_from_path(data)
    for note in dataset.notes:
        logger.info("%s", note)
    default = Path("evaluations") / f"{_model_name(Path(model))}-{dataset.name}-{split}"
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite)
    return evaluate_dataset(bundle, dataset, split, folder, threshold=threshold, engine=engine, roads=roads)


def evaluate_dataset(
    bundle: ModelBundle,
    dataset: Dataset,
    split: str,
    folder: Path,
    *,
    threshold: float | None = None,
    engine: str = "auto",
    roads: bool = False,
) -> dict[str, Any]:
    """Score a loaded bundle on a loaded dataset, as `evaluate` does; `folder` is replaced."""
    road_counts = road_counts_for(bundle.legend) if roads else None
    samples = labelled_samples(dataset, split)
    dataset = with_legend_of(bundle, dataset)
    scorer = model_scorer(bundle, open_engine(bundle, engine))
    judge = _Judge(bundle, dataset, scorer, _threshold(bundle, threshold))
    confusions, curve = _confusions(judge, samples, split, road_counts)
    values = {
        "model": str(bundle.path),
        "data": str(dataset.root),
        "dataset": dataset.name,
        "split": split,
        "engine": scorer.engine.name,
        "threshold": judge.threshold,
        "synthetic": bundle.data.get("synthetic") is True,
        **summary_from_confusions(confusions, bundle.legend),
        "output": str(folder),
    }
    if road_counts is not None:
        values["roads"] = road_counts.scores()
    if curve is not None:
        values["best_threshold"] = dict(zip(("threshold", "iou"), curve.best(), strict=True))
    rows = [
        {"image": sample.key, **image_scores(confusion, bundle.legend)}
        for sample, confusion in zip(samples, confusions, strict=True)
    ]
    with write_folder(folder) as part:
        items = _worst_median_best(judge, samples, confusions)
        write_evaluation(part, values, rows, bundle.legend, curve=curve, items=items)
    return values


@dataclass(frozen=True)
class _Judged:
    image: npt.NDArray[Any]
    target: npt.NDArray[np.uint8]
    valid: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Judge:
    """A model that is ready to answer for the samples of a dataset."""

    bundle: ModelBundle
    dataset: Dataset
    scorer: ModelScorer
    threshold: float | None

    def __call__(self, sample: Sample) -> _Judged:
        check_image(self.bundle, sample.image)
        image, target, valid = read_sample(self.dataset, sample, self.bundle.bands)
        halo, divisor = self.bundle.halo, self.bundle.size_divisor
        plan = plan_windows(*valid.shape, chip_size=DEFAULT_CHIP_SIZE, halo=halo, divisor=divisor)
        # One after the other: several samples are judged at once.
        scores = predict_array(self.scorer, image, valid, plan, at_once=1)
        return _Judged(image, target, valid, scores, mask_from_scores(self.bundle, scores, self.threshold))


def _confusions(
    judge: _Judge, samples: Sequence[Sample], split: str, road_counts: RoadCounts | None
) -> tuple[list[Confusion], ThresholdCurve | None]:
    confusions, curve = [], ThresholdCurve()
    with track(f"Evaluating {split}", len(samples), "images") as advance:
        for judged in _iter_judged(judge, samples):
            confusions.append(confusion_matrix(judged.target, judged.mask, judge.bundle.legend.num_classes))
            if road_counts is not None:
                road_counts.add(judged.target, judged.mask, judge.bundle.legend.ignore_index)
            if judge.threshold is not None:
                curve.add(judged.scores[0], judged.target)
            advance(1)
    support = np.sum(confusions, axis=(0, 2))
    if not support.any():
        raise DataError(
            f"No pixel of the split {split!r} has a label, so there is nothing to compare. See overland data check."
        )
    return confusions, curve if judge.threshold is not None and support[1] else None


def _iter_judged(judge: _Judge, samples: Sequence[Sample]) -> Iterator[_Judged]:
    streams = judge.scorer.streams
    with worker_threads(streams) as threads:
        for _, judged in map_ahead(judge, samples, threads, busy=streams):
            yield judged


def _worst_median_best(judge: _Judge, samples: Sequence[Sample], confusions: Sequence[Confusion]) -> list[PictureItem]:
    # These three are predicted again: keeping every mask until the order is known would take unbounded memory.
    scores = [headline_score(confusion, judge.bundle.legend) for confusion in confusions]
    order = sorted(
        (index for index, score in enumerate(scores) if math.isfinite(score)), key=lambda index: scores[index]
    )
    if not order:
        return []
    places = {order[0]: "Worst", order[len(order) // 2]: "Median", order[-1]: "Best"}
    return [_picture(judge, samples[index], title, scores[index]) for index, title in places.items()]


def _picture(judge: _Judge, sample: Sample, title: str, score: float) -> PictureItem:
    judged = judge(sample)
    key = "IoU" if judge.bundle.legend.is_binary else "mean IoU"
    return PictureItem(
        f"{title}: {sample.key}, {key} {score:.3f}", judged.mask, judged.target, judged.image, judged.valid
    )


def labelled_samples(dataset: Dataset, split: str) -> list[Sample]:
    """The images of a split that have a mask. Raises `UsageError` for an unknown split, `DataError` for none."""
    if split not in dataset.splits:
        raise UsageError(
            f"{dataset.name} has no split {split!r}; it has {', '.join(dataset.splits)}. Choose one with --split."
        )
    samples = [sample for sample in dataset.splits[split] if sample.target is not None]
    if not samples:
        raise DataError(f"The split {split!r} of {dataset.name} has no labelled image, so there is nothing to compare.")
    return samples


def with_legend_of(bundle: ModelBundle, dataset: Dataset) -> Dataset:
    """The dataset in the model's own classes. Raises `DataError` when it has others."""
    if not dataset.names_declared and bundle.legend.num_classes == dataset.legend.num_classes:
        # Nobody named the dataset's classes, so the model's names stand for its ids.
        return replace(dataset, legend=bundle.legend)
    if bundle.legend.names != dataset.legend.names:
        raise DataError(
            f"The model's classes are not the dataset's. Model: {', '.join(bundle.legend.names)}. "
            f"Dataset: {', '.join(dataset.legend.names)}. Name and map the dataset's classes in its YAML "
            "(names, label_mapping) so that both have the same names in the same order."
        )
    return dataset


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


def _threshold(bundle: ModelBundle, threshold: float | None) -> float | None:
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"A threshold is compared with a probability, so it lies within 0..1; got {threshold}.")
    if bundle.num_scores > 1:
        if threshold is not None:
            raise UsageError(f"A threshold decides on one score; this model has {bundle.num_scores}. Leave it out.")
        return None
    return next((limit for limit in (threshold, bundle.threshold) if limit is not None), 0.5)


def _model_name(path: Path) -> str:
    # A run keeps its bundles in runs/<task>/<name>/weights/{best,last}: there the run's name says more.
    path = path.resolve()
    return path.name if path.parent.name != "weights" else f"{path.parent.parent.name}-{path.name}"

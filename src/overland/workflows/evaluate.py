"""Evaluate: how well a model does on the labelled images of a dataset."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle, mask_from_probabilities
from overland.datasets import Dataset, Sample, dataset_from_path, read_sample
from overland.errors import DataError, UsageError
from overland.inference import ModelClassifier, model_classifier, open_engine, plan_image, predict_array
from overland.inference.threads import map_in_threads, worker_threads
from overland.metrics import ThresholdCurve, confusion_matrix, headline_score, image_scores, summary_from_confusions
from overland.metrics.masks import Confusion, scores_from_confusion
from overland.metrics.patches import ExtraCounts, extra_counts_for
from overland.metrics.roads import RoadCounts
from overland.output import check_folder, free_folder, write_folder
from overland.progress import track
from overland.raster import open_scene
from overland.reporting.evaluation import write_evaluation
from overland.reporting.pictures import PictureItem

__all__ = [
    "Judge",
    "Judged",
    "check_image",
    "evaluate",
    "evaluate_dataset",
    "iter_judged",
    "labelled_samples",
    "with_legend_of",
    "worst_median_best",
]


# A model that answers for the samples of a dataset: scores and masks beside the truth, and pictures of a few.


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
    scorer: ModelClassifier
    threshold: float | None

    def __call__(self, sample: Sample) -> Judged:
        """Predict one sample. Raises `DataError` when it does not fit the model."""
        check_image(self.bundle, sample.image)
        image, target, valid = read_sample(self.dataset, sample, self.bundle.bands)
        plan = plan_image(self.bundle, *valid.shape)
        # One after the other: several samples are judged at once.
        scores = predict_array(self.scorer, image, valid, plan, at_once=1)
        return Judged(image, target, valid, scores, mask_from_probabilities(self.bundle, scores, self.threshold))


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
        for _, judged in map_in_threads(judge, samples, threads, busy=streams):
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


logger = logging.getLogger("overland")

# The class of a model that was trained to name pixels without a label, as some published systems were.
_VOID = "void"


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    split: str = "val",
    threshold: float | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    roads: bool = False,
    boundary: str | int | None = None,
    patches: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a model bundle on one split of a dataset, and write scores, figures and pictures to a folder.

    `model` may be a run folder, whose best model is scored. `threshold` overrides the one in the bundle. Without
    `output` a new folder `evaluations/<model>-<data>-<split>` is made. `roads`, `boundary` (the band's width, 3 or
    "2%") and `patches` (their size) add blocks of these names, see `metrics.extras`.
    Returns what `metrics.summary_from_confusions` gives, with the model, the data, the threshold used and, for a binary
    legend, the best one on this split. A model with one more class, void, is scored on the dataset's classes, where
    that answer is wrong; `with_void` holds the pooled scores that count it as a class of the unlabelled pixels.
    Raises `DataError` when the dataset does not fit the model, and `UsageError` for a setting that makes no sense or an
    output that exists.
    """
    bundle, dataset = load_bundle(model), dataset_from_path(data)
    for note in dataset.notes:
        logger.info("%s", note)
    default = Path("evaluations") / f"{_model_name(bundle.graph_path.parent)}-{dataset.name}-{split}"
    folder = free_folder(default) if output is None else check_folder(output, overwrite=overwrite)
    extras = extra_counts_for(bundle.legend, roads=roads, boundary=boundary, patches=patches)
    return evaluate_dataset(bundle, dataset, split, folder, threshold=threshold, engine=engine, extras=extras)


def evaluate_dataset(
    bundle: ModelBundle,
    dataset: Dataset,
    split: str,
    folder: Path,
    *,
    threshold: float | None = None,
    engine: str = "auto",
    extras: Mapping[str, ExtraCounts] | None = None,
) -> dict[str, Any]:
    """Score a loaded bundle on a loaded dataset, as `evaluate` does; `folder` is replaced."""
    samples = labelled_samples(dataset, split)
    dataset = with_legend_of(bundle, dataset)
    scorer = model_classifier(bundle, open_engine(bundle, engine))
    judge = Judge(bundle, dataset, scorer, _threshold(bundle, threshold))
    tally = _tally(judge, samples, split, extras or {})
    values = {
        "model": str(bundle.path),
        "data": str(dataset.root),
        "dataset": dataset.name,
        "split": split,
        "engine": scorer.engine.name,
        "threshold": judge.threshold,
        "synthetic": bundle.data.get("synthetic") is True,
        **summary_from_confusions(tally.confusions, bundle.legend),
        "output": str(folder),
        **{name: counts.scores() for name, counts in (extras or {}).items()},
        **tally.more_values(judge),
    }
    rows = [
        {"image": sample.key, **image_scores(confusion, bundle.legend)}
        for sample, confusion in zip(samples, tally.confusions, strict=True)
    ]
    with write_folder(folder) as part:
        items = worst_median_best(judge, samples, tally.confusions)
        roads = (extras or {}).get("roads")
        relaxed = roads.curve if isinstance(roads, RoadCounts) else None
        write_evaluation(part, values, rows, bundle.legend, curve=tally.curve, relaxed=relaxed, items=items)
    return values


@dataclass(frozen=True)
class _Tally:
    """What was counted: a confusion matrix for each image, and the curve of a model that decides by a threshold.

    `with_void` is pooled, with the unlabelled pixels as the model's class void, where it has one.
    """

    confusions: list[Confusion]
    curve: ThresholdCurve | None
    with_void: Confusion | None

    def more_values(self, judge: Judge) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.curve is not None:
            values["best_threshold"] = dict(zip(("threshold", "iou"), self.curve.best(), strict=True))
        if self.with_void is not None:
            scores = scores_from_confusion(self.with_void, judge.bundle.legend)
            values["with_void"] = {"averaging": "pooled"} | {key: scores[key] for key in ("miou", "pixel_accuracy")}
        return values


def _tally(judge: Judge, samples: Sequence[Sample], split: str, extras: Mapping[str, ExtraCounts]) -> _Tally:
    legend = judge.bundle.legend
    confusions, curve, with_void = [], ThresholdCurve(), np.zeros((legend.num_classes,) * 2, np.int64)
    has_void = legend.num_classes > judge.dataset.legend.num_classes
    with track(f"Evaluating {split}", len(samples), "images") as advance:
        for judged in iter_judged(judge, samples):
            confusions.append(confusion_matrix(judged.target, judged.mask, legend.num_classes))
            for counts in extras.values():
                of_class_1 = judged.scores[-1] if legend.is_binary else None
                counts.add(judged.target, judged.mask, legend.ignore_index, of_class_1)
            if judge.threshold is not None:
                curve.add(judged.scores[0], judged.target)
            if has_void:
                with_void += _confusion_with_void(judged, legend.num_classes, legend.ignore_index)
            advance(1)
    support = np.sum(confusions, axis=(0, 2))
    if not support.any():
        raise DataError(
            f"No pixel of the split {split!r} has a label, so there is nothing to compare. See overland data check."
        )
    has_curve = judge.threshold is not None and support[1]
    return _Tally(confusions, curve if has_curve else None, with_void if has_void else None)


def _confusion_with_void(judged: Judged, num_classes: int, ignore_index: int) -> Confusion:
    unlabelled = judged.valid & (judged.target == ignore_index)
    return confusion_matrix(np.where(unlabelled, num_classes - 1, judged.target), judged.mask, num_classes)


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
    """The dataset in the model's own classes. Raises `DataError` when it has others.

    A model may have one class more, void as its last: then the dataset keeps its own legend, and the answer void is
    wrong wherever there is a label.
    """
    names = bundle.legend.names
    if not dataset.names_declared and len(names) == dataset.legend.num_classes:
        # Nobody named the dataset's classes, so the model's names stand for its ids.
        return replace(dataset, legend=bundle.legend)
    if len(names) == dataset.legend.num_classes + 1 and names[-1].lower() == _VOID:
        names = names[:-1] if dataset.names_declared else dataset.legend.names
    if names != dataset.legend.names:
        raise DataError(
            f"The model's classes are not the dataset's. Model: {', '.join(bundle.legend.names)}. "
            f"Dataset: {', '.join(dataset.legend.names)}. Name and map the dataset's classes in its YAML "
            "(names, label_mapping) so that both have the same names in the same order."
        )
    return dataset


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

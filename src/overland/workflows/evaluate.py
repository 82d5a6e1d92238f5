"""Evaluate a model on the labelled images of a dataset."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from overland.bundle import ModelBundle, load_bundle
from overland.datasets import Dataset, Sample, read_dataset, read_sample
from overland.errors import DataError, UsageError
from overland.inference.compatibility import plan_image
from overland.inference.engines import EngineName, open_engine
from overland.inference.ensemble import ModelClassifier, model_classifier
from overland.inference.predictor import predict_array
from overland.inference.probabilities import Mask, Pixels, Probabilities, Valid, mask_from_probabilities
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
from overland.result import Result
from overland.training.run_folder import run_of_model, with_split_of_run

__all__ = [
    "EvaluateResult",
    "check_image",
    "evaluate",
    "evaluate_dataset",
    "labelled_samples",
    "with_legend_of",
]

logger = logging.getLogger(__name__)

# The class of a model that was trained to name pixels without a label, as some published systems were.
_IGNORED_NAMES = ("void", "ignored")


@dataclass(frozen=True)
class EvaluateResult(Result):
    """The result of an evaluation.

    Attributes:
        model: Folder of the model.
        data: Folder of the dataset.
        dataset: Name of the dataset.
        split: The split that was evaluated.
        engine: Program that ran the network.
        threshold: Smallest probability of class 1 that was used; None where the largest probability decides.
        synthetic: True where the model was trained on synthetic images, which are no evidence for real ones.
        images: Number of images.
        unit: "image".
        headline: The one number to quote, with its interval.
        pooled: Scores over all pixels.
        per_image: Means over images in which a score exists.
        class_names: Names of the classes.
        confusion: Pixels by truth (rows) and prediction (columns).
        output: Folder of the scores, figures and pictures.
        roads: Scores of lines; None where they were not asked for.
        boundary: Scores of outlines; None where they were not asked for.
        patches: Scores of patches; None where they were not asked for.
        best_threshold: The best threshold on this split with its IoU; None where the largest probability decides.
        with_ignored: Pooled scores that count the model's class for unlabelled pixels; None where it has none.
    """

    model: str
    data: str
    dataset: str
    split: str
    engine: str
    threshold: float | None
    synthetic: bool
    images: int
    unit: str
    headline: Mapping[str, Any]
    pooled: Mapping[str, Any]
    per_image: Mapping[str, Any]
    class_names: list[str]
    confusion: list[list[int]]
    output: str
    roads: Mapping[str, Any] | None = None
    boundary: Mapping[str, Any] | None = None
    patches: Mapping[str, Any] | None = None
    best_threshold: Mapping[str, float] | None = None
    with_ignored: Mapping[str, Any] | None = None

    def metrics(self) -> dict[str, Any]:
        """Return the fields that a bundle keeps of an evaluation: all but paths and scores that were not asked for."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            key: value for key, value in values.items() if value is not None and key not in ("model", "data", "output")
        }


def evaluate(
    model: str | Path | ModelBundle,
    data: str | Path,
    *,
    split: str = "val",
    threshold: float | None = None,
    engine: EngineName = "auto",
    roads: bool = False,
    boundary: str | int | None = None,
    patches: int | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> EvaluateResult:
    """Evaluate a model on the labelled images of a dataset.

    Writes IoU, F1 (which is Dice), precision, recall and accuracy of each class, over all pixels (pooled) and as a mean
    over images, with a 95 % interval from drawing images again (bootstrap), figures and pictures to a folder. Pixels
    without a label are left out. A model with one more class than the dataset, for pixels without a label, is evaluated
    on the dataset's classes, where that answer is wrong. A model in the folder of its run is evaluated on the run's own
    split; images that were added to the dataset since are the split unseen.

    Args:
        model: A model's folder, the folder of a run (its best model is taken), or the name of a pretrained model.
        data: Dataset: its YAML file or its folder.
        split: The split whose images are evaluated.
        threshold: Smallest probability of class 1 in a two-class model, 0 to 1. [default: as tuned]
        engine: Program that runs the network. [default: the fastest that is installed]
        roads: Add scores of lines: relaxed precision and recall, clDice, broken roads.
        boundary: Add boundary IoU in a band along outlines, of 3 (pixels) or 2% (of the image's diagonal).
        patches: Add F1 and accuracy of patches of so many pixels a side, such as 16.
        output: Folder for scores, figures and pictures. [default: evaluations/MODEL-DATA-SPLIT]
        overwrite: Replace the output if it exists.

    Returns:
        The scores.

    Raises:
        DataError: The dataset does not fit the model, or has no labelled image.
        UsageError: A setting makes no sense, or the output exists.
    """
    bundle = model if isinstance(model, ModelBundle) else load_bundle(model)
    dataset = read_dataset(data)
    for note in dataset.notes:
        logger.info("%s", note)
    if (run := run_of_model(bundle.graph_path.parent)) is not None:
        # Drawn again, the split would score images that the model was trained on as soon as images were added.
        dataset = with_split_of_run(dataset, run)
    # A run keeps its bundles in runs/<task>/<name>/weights/{best,last}: there the run's name says more.
    path = bundle.graph_path.parent.resolve()
    name = path.name if path.parent.name != "weights" else f"{path.parent.parent.name}-{path.name}"
    default = Path("evaluations") / f"{name}-{dataset.name}-{split}"
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
    engine: EngineName = "auto",
    extras: Mapping[str, ExtraCounts] | None = None,
) -> EvaluateResult:
    """Evaluate a loaded model on a loaded dataset, as `evaluate` does.

    Args:
        bundle: The model.
        dataset: The dataset.
        split: The split whose images are evaluated.
        folder: Folder for scores, figures and pictures; it is replaced.
        threshold: Smallest probability of class 1 in a two-class model; as tuned without it.
        engine: Program that runs the network.
        extras: Counts of more scores, by the name of their block in the result.

    Returns:
        The scores.
    """
    extras = extras or {}
    samples = labelled_samples(dataset, split)
    dataset = with_legend_of(bundle, dataset)
    classifier = model_classifier(bundle, open_engine(bundle, engine))
    evaluator = _Evaluator(bundle, dataset, classifier, _threshold(bundle, threshold))
    tally = _tally(evaluator, samples, split, extras)
    result = EvaluateResult(
        model=str(bundle.path),
        data=str(dataset.root),
        dataset=dataset.name,
        split=split,
        engine=classifier.engine.name,
        threshold=evaluator.threshold,
        synthetic=bundle.data.get("synthetic") is True,
        **summary_from_confusions(tally.confusions, bundle.legend),
        output=str(folder),
        roads=extras["roads"].scores() if "roads" in extras else None,
        boundary=extras["boundary"].scores() if "boundary" in extras else None,
        patches=extras["patches"].scores() if "patches" in extras else None,
        **tally.more_values(evaluator),
    )
    rows = [
        {"image": sample.key, **image_scores(confusion, bundle.legend)}
        for sample, confusion in zip(samples, tally.confusions, strict=True)
    ]
    places = {"model": result.model, "data": result.data, "output": result.output}
    with write_folder(folder) as part:
        items = _worst_median_best(evaluator, samples, tally.confusions)
        road_counts = extras.get("roads")
        relaxed = road_counts.curve if isinstance(road_counts, RoadCounts) else None
        values = places | result.metrics()
        values["threshold"] = result.threshold
        write_evaluation(part, values, rows, bundle.legend, curve=tally.curve, relaxed=relaxed, items=items)
    return result


@dataclass(frozen=True)
class _Prediction:
    """One image (bands, height, width) with its truth and what the model says of it."""

    image: Pixels
    truth: Mask
    valid: Valid
    probabilities: Probabilities
    mask: Mask


@dataclass(frozen=True)
class _Evaluator:
    """A model that is ready to answer for the samples of a dataset; `threshold` is None where the largest decides."""

    bundle: ModelBundle
    dataset: Dataset
    classifier: ModelClassifier
    threshold: float | None

    def __call__(self, sample: Sample) -> _Prediction:
        """Predict one sample."""
        check_image(self.bundle, sample.image)
        image, truth, valid = read_sample(self.dataset, sample, self.bundle.bands)
        plan = plan_image(self.bundle, *valid.shape)
        # One window after the other: several samples are predicted at once.
        probabilities = predict_array(self.classifier, image, valid, plan, workers=1)
        mask = mask_from_probabilities(self.bundle, probabilities, self.threshold)
        return _Prediction(image, truth, valid, probabilities, mask)


def check_image(bundle: ModelBundle, path: Path) -> None:
    """Refuse an image without the model's bands or of another pixel type.

    Args:
        bundle: The model.
        path: The image.

    Raises:
        DataError: The image does not fit.
    """
    with open_scene(path, expand_palette=True) as scene:
        fits = scene.dtype == bundle.dtype and max(bundle.bands) <= scene.count
    if not fits:
        bands = ", ".join(map(str, bundle.bands))
        raise DataError(
            f"{path} has {scene.count} bands of {scene.dtype}; "
            f"the model was trained on bands {bands} of {bundle.dtype}. "
            "Convert the images to what the model knows, or train a model on these."
        )


def _worst_median_best(
    evaluator: _Evaluator, samples: Sequence[Sample], confusions: Sequence[Confusion]
) -> list[PictureItem]:
    """Draw the samples with the lowest, the middle and the highest score; none where no score exists."""
    # These three are predicted again: keeping every mask until the order is known would take unbounded memory.
    legend = evaluator.bundle.legend
    scores = [headline_score(confusion, legend) for confusion in confusions]
    order = sorted(
        (index for index, score in enumerate(scores) if math.isfinite(score)), key=lambda index: scores[index]
    )
    if not order:
        return []
    key = "IoU" if legend.is_binary else "mean IoU"
    items = []
    for index, title in {order[0]: "Worst", order[len(order) // 2]: "Median", order[-1]: "Best"}.items():
        prediction = evaluator(samples[index])
        probabilities = prediction.probabilities
        items.append(
            PictureItem(
                f"{title}: {samples[index].key}, {key} {scores[index]:.3f}",
                prediction.mask,
                prediction.truth,
                prediction.image,
                prediction.valid,
                probabilities=probabilities[-1] if legend.is_binary else probabilities.max(axis=0),
            )
        )
    return items


@dataclass(frozen=True)
class _Tally:
    """A confusion matrix for each image, and the curve of a model that decides by a threshold.

    `with_ignored` is pooled, with the unlabelled pixels as the model's class for them, where it has one.
    """

    confusions: list[Confusion]
    curve: ThresholdCurve | None
    with_ignored: Confusion | None

    def more_values(self, evaluator: _Evaluator) -> dict[str, Any]:
        """Return the fields of the result that only some models have.

        Args:
            evaluator: The model and the dataset.

        Returns:
            The best threshold, and the scores with the ignored class, where there are any.
        """
        values: dict[str, Any] = {}
        if self.curve is not None:
            values["best_threshold"] = dict(zip(("threshold", "iou"), self.curve.best(), strict=True))
        if self.with_ignored is not None:
            scores = scores_from_confusion(self.with_ignored, evaluator.bundle.legend)
            values["with_ignored"] = {"averaging": "pooled"} | {key: scores[key] for key in ("miou", "pixel_accuracy")}
        return values


def _tally(evaluator: _Evaluator, samples: Sequence[Sample], split: str, extras: Mapping[str, ExtraCounts]) -> _Tally:
    legend = evaluator.bundle.legend
    confusions, curve, with_ignored = [], ThresholdCurve(), np.zeros((legend.num_classes,) * 2, np.int64)
    has_ignored = legend.num_classes > evaluator.dataset.legend.num_classes
    workers = evaluator.classifier.workers
    with worker_threads(workers) as threads, track(f"Evaluating {split}", len(samples), "images") as advance:
        for _, prediction in map_in_threads(evaluator, samples, threads, busy=workers):
            truth, mask, probabilities = prediction.truth, prediction.mask, prediction.probabilities
            confusions.append(confusion_matrix(truth, mask, legend.num_classes))
            for counts in extras.values():
                of_class_1 = probabilities[-1] if legend.is_binary else None
                counts.add(truth, mask, legend.ignore_index, of_class_1)
            if evaluator.threshold is not None:
                curve.add(probabilities[0], truth)
            if has_ignored:
                unlabelled = prediction.valid & (truth == legend.ignore_index)
                named = np.where(unlabelled, legend.num_classes - 1, truth)
                with_ignored += confusion_matrix(named, mask, legend.num_classes)
            advance(1)
    support = np.sum(confusions, axis=(0, 2))
    if not support.any():
        raise DataError(
            f"No pixel of the split {split!r} has a label, so there is nothing to compare. See overland data check."
        )
    has_curve = evaluator.threshold is not None and support[1]
    return _Tally(confusions, curve if has_curve else None, with_ignored if has_ignored else None)


def labelled_samples(dataset: Dataset, split: str) -> list[Sample]:
    """List the images of a split that have a mask.

    Args:
        dataset: The dataset.
        split: Name of the split.

    Returns:
        The samples.

    Raises:
        UsageError: The dataset has no such split.
        DataError: No image of it has a mask.
    """
    if split not in dataset.splits:
        raise UsageError(
            f"{dataset.name} has no split {split!r}; it has {', '.join(dataset.splits)}. Choose one with --split."
        )
    samples = [sample for sample in dataset.splits[split] if sample.mask is not None]
    if not samples:
        raise DataError(f"The split {split!r} of {dataset.name} has no labelled image, so there is nothing to compare.")
    return samples


def with_legend_of(bundle: ModelBundle, dataset: Dataset) -> Dataset:
    """Check that a dataset has the model's classes, and give it the model's names where nobody named them.

    A model may have one class more, for pixels without a label, as its last: then the dataset keeps its own legend, and
    that answer is wrong wherever there is a label.

    Args:
        bundle: The model.
        dataset: The dataset.

    Returns:
        The dataset with the classes that are compared.

    Raises:
        DataError: The dataset has other classes.
    """
    names = bundle.legend.names
    if not dataset.names_declared and len(names) == dataset.legend.num_classes:
        # Nobody named the dataset's classes, so the model's names stand for its ids.
        return replace(dataset, legend=bundle.legend)
    if len(names) == dataset.legend.num_classes + 1 and names[-1].lower() in _IGNORED_NAMES:
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
    if bundle.num_outputs > 1:
        if threshold is not None:
            raise UsageError(
                f"A threshold decides between two classes; this model has {bundle.legend.num_classes}. Leave it out."
            )
        return None
    return next((limit for limit in (threshold, bundle.threshold) if limit is not None), 0.5)

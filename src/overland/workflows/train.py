"""Train: from labelled imagery to a run folder with a model bundle in it."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import logging
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml

from overland.bundle import ModelBundle, save_bundle
from overland.datasets import Dataset, class_fractions, dataset_from_path
from overland.datasets.chips import BandStatistics, band_statistics
from overland.datasets.class_balance import weights_from_fractions
from overland.errors import DataError, UsageError
from overland.inference.measure import measured_bundle
from overland.models import loss_needs_class_weights, model_settings
from overland.output import free_folder
from overland.progress import format_seconds
from overland.raster import open_scene
from overland.reporting.card import model_card
from overland.reporting.curves import write_training_figures
from overland.settings import TrainSettings, train_settings_from_mapping, train_settings_from_source
from overland.text import load_yaml
from overland.training import TrainedModel, fit
from overland.version import __version__
from overland.workflows.evaluate import evaluate_dataset

__all__ = [
    "class_weights_for",
    "network_settings",
    "scaling_for",
    "train",
    "with_void",
]


# How pixels are scaled before the network: what a recipe's `normalize` means for a set.

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def scaling_for(normalize: str, statistics: BandStatistics) -> BandStatistics:
    """The mean and deviation that pixels are scaled with, in the scenes' own units.

    "data" keeps those of the set, "none" leaves pixels as they are, "unit" brings integers to 0..1, "imagenet" is
    "unit" and ImageNet's mean and deviation, which most published encoders were trained with. Raises `UsageError`
    where a choice does not fit the pixel type or the number of bands.
    """
    if normalize == "data":
        return statistics
    bands = len(statistics.mean)
    if normalize == "none":
        return replace(statistics, mean=(0.0,) * bands, std=(1.0,) * bands)
    if not np.issubdtype(statistics.dtype, np.integer):
        raise UsageError(f"normalize: {normalize} needs pixels of integers; these are {statistics.dtype}. Use data.")
    highest = float(np.iinfo(statistics.dtype).max)
    mean, std = ((0.0,) * bands, (1.0,) * bands) if normalize == "unit" else (_IMAGENET_MEAN, _IMAGENET_STD)
    if len(mean) != bands:
        raise UsageError(f"normalize: {normalize} knows {len(mean)} bands; these images have {bands}. Use data.")
    return replace(
        statistics, mean=tuple(value * highest for value in mean), std=tuple(value * highest for value in std)
    )


# What a recipe and a dataset together decide about the network and its loss.

logger = logging.getLogger("overland")

_VOID = "void"


def network_settings(config: TrainSettings, dataset: Dataset, *, bands: int) -> dict[str, Any]:
    """The recipe's `model`, completed with the bands and classes of the data, the encoder and the squashing.

    Two classes on a background have one output and a threshold, unless the recipe asks for two. Raises `UsageError`
    when its number of classes is not that of the data.
    """
    settings = dict(config.model)
    if config.encoder is not None:
        settings.pop("encoder_name", None)
        settings["encoder"] = config.encoder
    if config.encoder_weights is not None:
        settings["encoder_weights"] = config.encoder_weights
    if config.squash:
        settings |= {"squash": config.squash, "squash_nearest": config.squash_nearest}
    legend = dataset.legend
    classes = settings.get("classes") or (1 if legend.is_binary else legend.num_classes)
    if classes not in (1, legend.num_classes) or (classes == 1 and not legend.is_binary):
        raise UsageError(
            f"The model has {classes} classes and {dataset.name} has {legend.num_classes} "
            f"({', '.join(legend.names)}); leave classes out of the recipe's model."
        )
    return model_settings(settings, in_channels=bands, classes=classes)


def with_void(dataset: Dataset) -> Dataset:
    """Ignored pixels as one more class: the network has an output for it, and no score counts it.

    Raises `UsageError` when the dataset has a class of that name.
    """
    legend = dataset.legend
    if _VOID in legend.names:
        raise UsageError(f"void_class adds a class void, but {dataset.root} has one already; leave the setting out.")
    logger.warning("Ignored pixels are trained as a class of their own (void_class), as a published system does.")
    return replace(dataset, legend=replace(legend, names=(*legend.names, _VOID), colors=(*legend.colors, (0, 0, 0))))


def class_weights_for(config: TrainSettings, shares: Mapping[str, float], dataset: Dataset) -> tuple[float, ...] | None:
    """Weight of each class of a dataset in the loss, from the shares in training; None where the loss wants none."""
    if not (config.class_weights or loss_needs_class_weights(config.loss)):
        return None
    return tuple(weights_from_fractions({name: shares.get(name, 0.0) for name in dataset.legend.names}).values())


_ARGS = "args.yaml"


def train(
    data: str | Path | None = None,
    recipe: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    synthetic: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Train a model on a dataset.

    `recipe` is the name of a recipe or a YAML file; `settings` are those of `overland.settings.TrainSettings` and win over
    it. `resume` names the folder of a run that was cut off: it goes on after its last whole epoch, with the data and
    settings that it was started with. `synthetic` marks made scenes, so that every score is called so.

    Writes the run folder `<project>/<name>[N]` and returns its path, the path of the bundle and its validation
    scores. Raises `DataError` when the data cannot be trained on, and `UsageError` for a setting that makes no sense.
    """
    started = time.monotonic()
    if resume is not None:
        run, data, config = _run_to_resume(resume, data, settings)
    else:
        if data is None:
            raise UsageError("Name the dataset to train on: a folder or a dataset YAML, with --data.")
        run, config = None, train_settings_from_source(recipe, settings)
    dataset = dataset_from_path(data)
    class_share = _check_classes(dataset)
    learned = with_void(dataset) if config.void_class else dataset
    statistics = scaling_for(config.normalize, band_statistics(dataset, "train", config.bands))
    model = network_settings(config, learned, bands=len(statistics.mean))
    run = run or _new_run(config, data, dataset, synthetic)
    models = fit(
        learned,
        config,
        model,
        statistics,
        run,
        class_weights=class_weights_for(config, class_share, learned),
        resume=resume is not None,
    )
    synthetic = synthetic or bool(load_yaml(run / _ARGS).get("synthetic"))
    bundle = _bundle_of(config, learned, statistics, model, models["best"], class_share, synthetic)
    best = _save_scored(bundle, models["best"], run, dataset)
    last = dataclasses.replace(best, metrics={}, path=None)
    save_bundle(
        last,
        run / "weights" / "last",
        weights=models["last"].weights,
        graph=models["last"].graph,
        card=model_card(last),
    )
    write_training_figures(run)
    logger.info("Trained in %s; the model is %s.", format_seconds(time.monotonic() - started), best.path)
    return {
        "run": str(run),
        "model": str(best.path),
        "seconds": round(time.monotonic() - started, 1),
        "threshold": best.threshold,
        "val": best.metrics["val"],
        "notes": list(dataset.notes),
    }


def _run_to_resume(
    resume: str | Path, data: str | Path | None, settings: Mapping[str, Any]
) -> tuple[Path, str, TrainSettings]:
    run = Path(resume)
    if data is not None or settings:
        raise UsageError("--resume goes on with the data and settings that the run was started with; give it alone.")
    if not (run / _ARGS).is_file():
        raise DataError(f"{run} is not the folder of a run: it has no {_ARGS}.")
    values = load_yaml(run / _ARGS)
    values.pop("synthetic", None)
    return run, str(values.pop("data")), train_settings_from_mapping(values, str(run / _ARGS))


def _new_run(config: TrainSettings, data: str | Path, dataset: Dataset, synthetic: bool) -> Path:
    run = Path(config.project) / config.name
    run = run if config.exist_ok else free_folder(run)
    if run.is_dir() and any(run.iterdir()) and not (run / _ARGS).is_file():
        # Parts of a run replace what is there under their names.
        raise UsageError(f"{run} holds something that is no run, so it is not written to; choose another --name.")
    run.mkdir(parents=True, exist_ok=True)
    values = {"data": str(data), **({"synthetic": True} if synthetic else {}), **config.to_dict()}
    (run / _ARGS).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    _write_manifest(run / "splits.csv", dataset)
    logger.info("The run is kept in %s; if it is cut off: overland train --resume %s", run, run)
    return run


def _write_manifest(path: Path, dataset: Dataset) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "key", "group", "image", "target"])
        for split, samples in dataset.splits.items():
            writer.writerows([split, s.key, s.group, s.image, s.target or ""] for s in samples)


def _check_classes(dataset: Dataset) -> dict[str, float]:
    for note in dataset.notes:
        logger.info("%s", note)
    for split in ("train", "val"):
        if not dataset.splits.get(split):
            raise DataError(
                f"{dataset.root} has no images in split {split!r}; its splits: {', '.join(dataset.splits)}."
            )
    shares = class_fractions(dataset, "train")
    for split, found in (("train", shares), ("val", class_fractions(dataset, "val"))):
        missing = [name for name, share in found.items() if share == 0]
        if missing:
            logger.warning(
                "Split %s has no pixel of %s: it cannot be %s.",
                split,
                ", ".join(missing),
                "learned" if split == "train" else "scored",
            )
    if sum(share > 0 for share in shares.values()) < 2:
        present = next((name for name, share in shares.items() if share > 0), "ignored pixels")
        raise DataError(
            f"The training masks of {dataset.root} hold only {present}, so there is nothing to learn. "
            "Look at them with `overland data check`."
        )
    logger.info("Classes in training: %s", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    return shares


def _bundle_of(
    config: TrainSettings,
    dataset: Dataset,
    statistics: BandStatistics,
    model: Mapping[str, Any],
    trained: TrainedModel,
    shares: Mapping[str, float],
    synthetic: bool,
) -> ModelBundle:
    return ModelBundle(
        legend=dataset.legend,
        # Where the encoder's weights came from is a setting of the training; the bundle brings its own.
        model={name: value for name, value in model.items() if name != "encoder_weights"},
        bands=config.bands or tuple(range(1, len(statistics.mean) + 1)),
        dtype=statistics.dtype,
        mean=statistics.mean,
        std=statistics.std,
        chip_size=config.imgsz,
        size_divisor=trained.size_divisor,
        halo=config.imgsz // 4,  # until it is measured
        activation="sigmoid" if model["classes"] == 1 else "softmax",
        resolution_m=_resolution_m(dataset),
        data={
            "name": dataset.name,
            "images": {split: len(samples) for split, samples in dataset.splits.items()},
            "class_fractions": dict(shares),
            "notes": list(dataset.notes),
            "synthetic": synthetic,
        },
        training=config.to_dict(),
        versions=_versions(),
    )


def _resolution_m(dataset: Dataset) -> float | None:
    found = []
    for sample in dataset.splits["train"][:50]:
        with open_scene(sample.image) as scene:
            if scene.grid.resolution_m is not None:
                found.append(scene.grid.resolution_m)
    return round(median(found), 4) if found else None


def _save_scored(bundle: ModelBundle, trained: TrainedModel, run: Path, dataset: Dataset) -> ModelBundle:
    """Save the bundle, measure its network and tune its threshold on the validation images, score it, save it again."""

    def save(bundle: ModelBundle) -> ModelBundle:
        return save_bundle(
            bundle, run / "weights" / "best", weights=trained.weights, graph=trained.graph, card=model_card(bundle)
        )

    # It has to be on disk to be run.
    images = [sample.image for sample in dataset.splits["val"]]
    bundle = save(measured_bundle(save(bundle), images, bundle.bands))
    output = run / "val"
    scores = evaluate_dataset(bundle, dataset, "val", output)
    if "best_threshold" in scores:
        bundle = save(dataclasses.replace(bundle, threshold=scores["best_threshold"]["threshold"]))
        scores = evaluate_dataset(bundle, dataset, "val", output)
    shutil.copy(output / "confusion_matrix.png", run / "confusion_matrix.png")
    # There are no pictures where no image has a score: no road in the truth and none in the prediction.
    if (output / "pictures.jpg").is_file():
        shutil.copy(output / "pictures.jpg", run / "val_batch0_pred.jpg")
    scores = {key: value for key, value in scores.items() if key not in ("model", "data", "output")}
    return save(dataclasses.replace(bundle, metrics={"val": scores}))


def _versions() -> dict[str, str]:
    packages = ("torch", "lightning", "segmentation-models-pytorch", "numpy", "rasterio", "onnx")
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"overland": __version__, "python": platform.python_version(), **found}

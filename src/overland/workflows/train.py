"""Train: from labelled imagery to a run folder with a model bundle in it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from overland.bundle import ModelBundle, save_bundle
from overland.datasets import Dataset, class_fractions
from overland.datasets.check import check_before_use
from overland.datasets.chips import BandStatistics, band_statistics
from overland.datasets.class_balance import weights_from_fractions
from overland.datasets.layouts import DataSource, data_name, read_dataset
from overland.errors import DataError, UsageError
from overland.inference.measure import measured_bundle
from overland.models import loss_needs_class_weights, model_settings
from overland.output import check_writable, free_folder, writing_errors
from overland.progress import format_seconds
from overland.raster import open_scene
from overland.reporting.card import model_card
from overland.reporting.curves import write_training_figures
from overland.result import Result
from overland.training.loop import PreparedTraining, TrainedModel, prepare_training
from overland.training.own_code import OwnCode
from overland.training.run_folder import SETTINGS_FILE, RunRecord, read_run, with_split_of_run, write_run
from overland.training.settings import TrainSettings, train_settings_from_source
from overland.version import __version__
from overland.workflows.evaluate import EvaluateResult, evaluate_dataset

__all__ = ["TrainResult", "train"]

logger = logging.getLogger(__name__)

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# In units of the highest value and the same for each band: mean and standard deviation.
_SAME_FOR_ALL = {"unit": (0.0, 1.0), "half": (0.5, 0.5)}
_IGNORED = "ignored"
_SETTINGS = tuple(item.name for item in dataclasses.fields(TrainSettings))
_OWN_SETTINGS = ("model", "loss", "metrics", "augment")
_GIVEN = "given"  # as in own_code: a dataset that was made in Python


@dataclass(frozen=True)
class TrainResult(Result):
    """A trained model and how well it does.

    Args:
        run: Folder of the run.
        model: Folder of the best model, a bundle.
        seconds: Duration of training and scoring.
        threshold: Probability from which a pixel is of the class, for a binary legend.
        val: Scores on the validation images.
        notes: Decisions about the dataset that it does not declare, a sentence each.
    """

    run: str
    model: str
    seconds: float
    threshold: float | None
    val: EvaluateResult
    notes: tuple[str, ...]


def train(
    data: DataSource | None = None,
    *,
    recipe: str | Path | None = None,
    resume: str | Path | None = None,
    synthetic: bool = False,
    model: str | Mapping[str, Any] | Callable[..., Any] | None = None,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    bands: tuple[int, ...] | None = None,
    imgsz: int | None = None,
    chips: Literal["random", "grid"] | None = None,
    min_foreground: float | None = None,
    normalize: Literal["data", "unit", "half", "imagenet", "none"] | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    loss: Mapping[Any, Any] | Callable[..., Any] | None = None,
    class_weights: bool | None = None,
    optimizer: Literal["adamw", "adam", "sgd", "nag", "rmsprop", "adagrad"] | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    momentum: float | None = None,
    schedule: Literal["cosine", "poly", "onecycle", "step", "plateau", "constant"] | None = None,
    warmup: float | None = None,
    lr_factor: float | None = None,
    lr_patience: int | None = None,
    lr_epochs: tuple[int, ...] | None = None,
    ema: float | None = None,
    metrics: Mapping[str, Any] | None = None,
    monitor: str | None = None,
    patience: int | None = None,
    min_epochs: int | None = None,
    min_delta: float | None = None,
    flipud: bool | None = None,
    fliplr: bool | None = None,
    rotate: float | None = None,
    scale: float | None = None,
    shrink: float | None = None,
    color: float | None = None,
    effects: float | None = None,
    augment: str | Callable[..., Any] | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None,
    amp: bool | None = None,
    amp_cpu: bool | None = None,
    workers: int | None = None,
    seed: int | None = None,
    project: str | None = None,
    name: str | None = None,
    exist_ok: bool | None = None,
    reproduce: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train a model on labelled imagery.

    A setting that is not given has the recipe's value, and the default below where the recipe does not name it. Each
    may also stand in a YAML file, which is then named as the recipe. Everything is checked before the run's folder is
    made.

    Args:
        data: Dataset: a folder, a dataset YAML, or a reader of your own as package.module:reader@folder; in Python also
            what a reader returned.
        recipe: Name of a recipe (see overland recipes) or a YAML file of settings; unet-small by default.
        resume: Folder of a run that was cut off: it goes on after its last whole epoch, with its data, its split and
            its settings.
        synthetic: Mark the scenes as drawn by a program, so that every score is called so.
        model: Architecture and its options: PlainUnet, any of segmentation_models_pytorch, or a network of your own as
            package.module:name; in Python also any torch.nn.Module with logits out, or what makes one.
        encoder: Encoder in place of the recipe's, such as resnet101; efficientnet-lite0 (1, 2) brings its weights with
            the extra encoders.
        encoder_weights: Weights that the encoder starts from: a file (.safetensors, .pth, .npz), a name such as
            imagenet, or none.
        bands: Bands to train on, counted from 1; all but alpha by default.
        imgsz: Side of a training chip in pixels, cut at native resolution.
        chips: Chips are drawn anywhere (random), or cut side by side and padded at the image's edges (grid).
        min_foreground: Fraction of foreground below which a chip of the grid is left out.
        normalize: Scaling of pixels: by mean and standard deviation of the training set (data), to 0..1 (unit), to
            -1..1 for the EfficientNet-lite encoders (half), as other ImageNet encoders want it (imagenet), or none.
        epochs: Passes over the training set; an epoch has as many chips as cover its images once.
        minutes: Minutes of training after which the run ends, its schedule with it; 0 for no limit.
        batch: Chips in a batch.
        loss: Losses and their weights, summed: cross_entropy, dice, focal, tversky, focal_tversky, lovasz, cldice, or
            one of your own as package.module:name; in Python also a function or class of logits (n, k, h, w) and ids
            (n, h, w).
        class_weights: Weigh the cross entropy by the inverse square root of each class's fraction.
        optimizer: Optimiser; nag is sgd with Nesterov's momentum.
        lr: Highest learning rate.
        weight_decay: Weight decay.
        momentum: Momentum of sgd, nag and rmsprop.
        schedule: Learning rate after the warm-up.
        warmup: Fraction of the run in which the learning rate rises.
        lr_factor: Factor of the learning rate at each step of the schedules step and plateau.
        lr_patience: Epochs without progress after which the schedule plateau takes a step.
        lr_epochs: Epochs after which the schedule step takes its steps.
        ema: Decay of the moving average of the weights, shorter in short runs; 0 switches it off.
        metrics: Metrics of your own by name, as package.module:name; validated after each epoch.
        monitor: Number that makes an epoch the best: validation iou or loss, or a metric of your own by its name.
        patience: Epochs without a better one after which training stops; 0 never stops.
        min_epochs: Epochs before which training does not stop early.
        min_delta: Least progress that counts as a better epoch.
        flipud: Flip chips upside down at random; not for street scenes, which have an up.
        fliplr: Flip chips left to right at random.
        rotate: Largest rotation of a chip in degrees, to either side, by any angle.
        scale: Largest factor by which a chip is enlarged or shrunk.
        shrink: Largest factor by which a chip is shrunk, where it is not that of scale.
        color: Strength of changes of brightness, contrast and saturation; 0 switches them off.
        effects: Strength of tone curves, haze, shadows, blur, sharpening, noise and JPEG artefacts, for 8-bit images; 0
            switches them off.
        augment: Augmentation of your own after the others, as package.module:name.
        device: Device to train on; auto takes a GPU where there is one.
        amp: Mixed precision where there is a CUDA GPU; never on a CPU.
        amp_cpu: Train in bfloat16 on a CPU: faster where the processor has it (AMX, AVX-512 BF16), slower elsewhere.
        workers: Processes that prepare chips; 0 prepares them in the training process.
        seed: Seed of the weights, of the chips, and of the split into train and val where the dataset has none; the
            same seed gives the same run.
        project: Folder of the runs.
        name: Name of the run's folder; a number is added where it exists.
        exist_ok: Write into an existing run folder of that name.
        reproduce: Faults of published systems, which the recipes that end in -published ask for.

    Returns:
        The run's folder, the best model and its validation scores.

    Raises:
        DataError: The data cannot be trained on, or a checkpoint is damaged.
        UsageError: A setting makes no sense, or does not fit the others or the data.
        ResourceError: Memory is used up.
    """
    given = {key: value for key, value in locals().items() if key in _SETTINGS and value is not None}
    started = time.monotonic()
    own = OwnCode()
    if resume is not None:
        run, record = _run_to_resume(resume, recipe, data, given, own)
        settings, synthetic = record.settings, record.synthetic
        dataset = with_split_of_run(read_dataset(data or record.data, seed=settings.seed), run)
    else:
        if data is None:
            raise UsageError("Name the dataset to train on: a folder or a dataset YAML, with --data.")
        settings = train_settings_from_source(recipe, _plain_settings(given, own))
        dataset = read_dataset(data, seed=settings.seed)
        check_before_use(dataset, bands=settings.bands)
        record = RunRecord(
            data=data_name(data) or f"{_GIVEN}:{dataset.name}",
            settings=settings,
            root=str(dataset.root.resolve()),
            synthetic=synthetic,
        )
    fractions = _class_fractions(dataset)
    learned = _with_ignored_class(dataset) if settings.reproduce.ignored_as_class else dataset
    statistics = _scaling(settings.normalize, band_statistics(dataset, "train", settings.bands))
    class_weights_of_loss = None
    if settings.class_weights or loss_needs_class_weights(settings.loss):
        weights = weights_from_fractions({name: fractions.get(name, 0.0) for name in learned.legend.names})
        class_weights_of_loss = tuple(weights.values())
    prepared = prepare_training(
        learned,
        settings,
        _network_settings(settings, learned, bands=len(statistics.mean)),
        statistics,
        class_weights=class_weights_of_loss,
        own=own,
        pretrained=resume is None,
    )
    if resume is None:
        run = _new_run(record, dataset)
    models = prepared.run(run, resume=resume is not None)
    best, scores = _save_scored(_bundle_of(prepared, fractions, synthetic), models["best"], run, dataset)
    last = replace(best, metrics={}, path=None)
    save_bundle(
        last,
        run / "weights" / "last",
        weights=models["last"].weights,
        graph=models["last"].graph,
        card=model_card(last),
    )
    write_training_figures(run)
    logger.info("Trained in %s; the model is %s.", format_seconds(time.monotonic() - started), best.path)
    return TrainResult(
        run=str(run),
        model=str(best.path),
        seconds=round(time.monotonic() - started, 1),
        threshold=best.threshold,
        val=scores,
        notes=tuple(dataset.notes),
    )


def _plain_settings(given: Mapping[str, Any], own: OwnCode) -> dict[str, Any]:
    """Put the names of objects of the user's own in their places, so that the settings can be written down."""
    plain = dict(given)
    network = plain.get("model")
    if isinstance(network, Mapping):
        plain["model"] = {**network, "architecture": own.name_of(network.get("architecture", "PlainUnet"))}
    elif network is not None:
        plain["model"] = {"architecture": own.name_of(network)}
    loss = plain.get("loss")
    if isinstance(loss, Mapping):
        plain["loss"] = {own.name_of(name): value for name, value in loss.items()}
    elif loss is not None:
        plain["loss"] = {own.name_of(loss): 1.0}
    if "metrics" in plain:
        plain["metrics"] = {name: own.name_of(metric) for name, metric in plain["metrics"].items()}
    if "augment" in plain:
        plain["augment"] = own.name_of(plain["augment"])
    return plain


def _run_to_resume(
    resume: str | Path,
    recipe: str | Path | None,
    data: DataSource | None,
    given: Mapping[str, Any],
    own: OwnCode,
) -> tuple[Path, RunRecord]:
    """Read the record of a run; objects that have no name to import them by are given again, nothing else."""
    run = Path(resume)
    again = _plain_settings({name: value for name, value in given.items() if name in _OWN_SETTINGS}, own)
    if recipe is not None or set(given) - set(_OWN_SETTINGS) or isinstance(data, str | Path):
        raise UsageError("--resume goes on with the data and settings that the run was started with; give it alone.")
    record = read_run(run)
    now = record.settings.to_dict()
    changed = [name for name, value in again.items() if value != now.get(name)]
    if changed:
        raise UsageError(f"The run {run} was started with another {changed[0]}: {now.get(changed[0])}.")
    if data is None and record.data.startswith(f"{_GIVEN}:"):
        raise UsageError(
            f"The run {run} was started with a dataset made in Python; give it again: train(data, resume=...)."
        )
    return run, record


def _new_run(record: RunRecord, dataset: Dataset) -> Path:
    settings = record.settings
    run = Path(settings.project) / settings.name
    run = run if settings.exist_ok else free_folder(run)
    if run.is_dir() and any(run.iterdir()) and not (run / SETTINGS_FILE).is_file():
        # Parts of a run replace files of the same names.
        raise UsageError(f"{run} holds something that is no run, so it is not written to; choose another --name.")
    check_writable(run)
    with writing_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        write_run(run, record, dataset)
    logger.info("The run is kept in %s; if it is cut off: overland train --resume %s", run, run)
    return run


def _class_fractions(dataset: Dataset) -> dict[str, float]:
    """Return each class's fraction in training, after making sure that there is something to learn."""
    for note in dataset.notes:
        logger.info("%s", note)
    for split in ("train", "val"):
        if not dataset.splits.get(split):
            raise DataError(
                f"{dataset.root} has no images in split {split!r}; its splits: {', '.join(dataset.splits)}."
            )
    fractions = class_fractions(dataset, "train")
    for split, found in (("train", fractions), ("val", class_fractions(dataset, "val"))):
        missing = [name for name, fraction in found.items() if fraction == 0]
        if missing:
            logger.warning(
                "Split %s has no pixel of %s: it cannot be %s.",
                split,
                ", ".join(missing),
                "learned" if split == "train" else "scored",
            )
    if sum(fraction > 0 for fraction in fractions.values()) < 2:
        present = next((name for name, fraction in fractions.items() if fraction > 0), "ignored pixels")
        raise DataError(
            f"The training masks of {dataset.root} hold only {present}, so there is nothing to learn. "
            "Look at them with `overland data check`."
        )
    logger.info("Classes in training: %s", ", ".join(f"{name} {part:.1%}" for name, part in fractions.items()))
    return fractions


def _scaling(normalize: str, statistics: BandStatistics) -> BandStatistics:
    """Return the mean and standard deviation that pixels are scaled with, in the scenes' own units.

    "data" keeps those of the set, "none" leaves pixels as they are, "unit" brings integers to 0..1, "half" to -1..1,
    which the EfficientNet-lite encoders were trained with, "imagenet" is "unit" and ImageNet's mean and standard
    deviation, which most published encoders were trained with.
    """
    if normalize == "data":
        return statistics
    bands = len(statistics.mean)
    if normalize == "none":
        return replace(statistics, mean=(0.0,) * bands, std=(1.0,) * bands)
    if not np.issubdtype(statistics.dtype, np.integer):
        raise UsageError(f"normalize: {normalize} needs pixels of integers; these are {statistics.dtype}. Use data.")
    highest = float(np.iinfo(statistics.dtype).max)
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    if normalize in _SAME_FOR_ALL:
        mean, std = ((value,) * bands for value in _SAME_FOR_ALL[normalize])
    if len(mean) != bands:
        raise UsageError(f"normalize: {normalize} knows {len(mean)} bands; these images have {bands}. Use data.")
    return replace(
        statistics, mean=tuple(value * highest for value in mean), std=tuple(value * highest for value in std)
    )


def _with_ignored_class(dataset: Dataset) -> Dataset:
    """Add a class for ignored pixels to a dataset: the network has an output for it, no score counts it."""
    legend = dataset.legend
    if _IGNORED in legend.names:
        raise UsageError(
            f"ignored_as_class adds a class {_IGNORED}, but {dataset.root} has one already; leave the setting out."
        )
    logger.warning("Ignored pixels are trained as a class of their own (ignored_as_class), as a published system does.")
    return replace(dataset, legend=replace(legend, names=(*legend.names, _IGNORED), colors=(*legend.colors, (0, 0, 0))))


def _network_settings(settings: TrainSettings, dataset: Dataset, *, bands: int) -> dict[str, Any]:
    """Complete the recipe's `model` with the bands and classes of the data, the encoder and the fixed size.

    Two classes on a background have one output and a threshold, unless the recipe asks for two.
    """
    model = dict(settings.model)
    if settings.encoder is not None:
        model.pop("encoder_name", None)
        model["encoder"] = settings.encoder
    if settings.encoder_weights is not None:
        model["encoder_weights"] = settings.encoder_weights
    if settings.reproduce.resize:
        model |= {
            "fixed_size": settings.reproduce.resize,
            "fixed_size_nearest": settings.reproduce.resize_nearest,
        }
    legend = dataset.legend
    classes = model.get("classes") or (1 if legend.is_binary else legend.num_classes)
    if classes not in (1, legend.num_classes) or (classes == 1 and not legend.is_binary):
        raise UsageError(
            f"The model has {classes} classes and {dataset.name} has {legend.num_classes} "
            f"({', '.join(legend.names)}); leave classes out of the recipe's model."
        )
    return model_settings(model, in_channels=bands, classes=classes)


def _bundle_of(prepared: PreparedTraining, fractions: Mapping[str, float], synthetic: bool) -> ModelBundle:
    """Describe the model as a bundle; its halo is a quarter of a chip until it is measured."""
    settings, dataset, statistics = prepared.settings, prepared.dataset, prepared.statistics
    packages = ("torch", "lightning", "segmentation-models-pytorch", "numpy", "rasterio", "onnx")
    resolutions = []
    for sample in dataset.splits["train"][:50]:
        with open_scene(sample.image) as scene:
            if scene.grid.resolution_m is not None:
                resolutions.append(scene.grid.resolution_m)
    return ModelBundle(
        legend=dataset.legend,
        # Where the encoder's weights came from is a setting of the training; the bundle brings its own.
        model={name: value for name, value in prepared.model.items() if name != "encoder_weights"},
        bands=settings.bands or tuple(range(1, len(statistics.mean) + 1)),
        dtype=statistics.dtype,
        mean=statistics.mean,
        std=statistics.std,
        chip_size=settings.imgsz,
        size_divisor=prepared.size_divisor,
        halo=settings.imgsz // 4,
        activation="sigmoid" if prepared.model["classes"] == 1 else "softmax",
        resolution_m=dataset.pixel_size_m or (round(median(resolutions), 4) if resolutions else None),
        data={
            "name": dataset.name,
            "images": {split: len(samples) for split, samples in dataset.splits.items()},
            "class_fractions": dict(fractions),
            "notes": list(dataset.notes),
            "synthetic": synthetic,
        },
        training=settings.to_dict(),
        versions={
            "overland": __version__,
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in packages},
        },
    )


def _save_scored(
    bundle: ModelBundle, trained: TrainedModel, run: Path, dataset: Dataset
) -> tuple[ModelBundle, EvaluateResult]:
    """Save the bundle, measure its network and tune its threshold on the validation images, score it, save it again."""

    def save(bundle: ModelBundle) -> ModelBundle:
        """Write the bundle with the trained network.

        Args:
            bundle: The description of the model.

        Returns:
            The bundle on the disk.
        """
        return save_bundle(
            bundle, run / "weights" / "best", weights=trained.weights, graph=trained.graph, card=model_card(bundle)
        )

    # It has to be on disk to be run.
    images = [sample.image for sample in dataset.splits["val"]]
    bundle = save(measured_bundle(save(bundle), images, bundle.bands))
    output = run / "val"
    scores = evaluate_dataset(bundle, dataset, "val", output)
    if scores.best_threshold is not None:
        bundle = save(replace(bundle, threshold=scores.best_threshold["threshold"]))
        scores = evaluate_dataset(bundle, dataset, "val", output)
    shutil.copy(output / "confusion_matrix.png", run / "confusion_matrix.png")
    # There are no pictures where no image has a score: no road in the truth and none in the prediction.
    if (output / "pictures.jpg").is_file():
        shutil.copy(output / "pictures.jpg", run / "val_batch0_pred.jpg")
    return save(replace(bundle, metrics={"val": scores.metrics()})), scores

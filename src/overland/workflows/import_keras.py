"""Import a network that Keras saved: from an .h5 or .keras file to a model bundle."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from overland.bundle import ModelBundle, save_bundle
from overland.errors import DataError, UsageError
from overland.importers.keras import network_from_keras, read_keras_model
from overland.importers.scaling import pixel_scaling
from overland.inference import open_engine
from overland.inference.measure import measured_bundle
from overland.inference.memory import measure_memory_per_pixel
from overland.inference.plan import even_halo, round_up
from overland.inference.probabilities import probabilities_from_logits
from overland.legend import Legend, legend_from_names
from overland.models import graph_from_model
from overland.output import check_model_folder, sha256_of
from overland.reporting.card import model_card
from overland.result import Result
from overland.version import __version__

__all__ = ["ImportKerasResult", "import_keras"]

logger = logging.getLogger(__name__)

_USUAL_SIDE = 256
_LARGEST_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class ImportKerasResult(Result):
    """An imported network and the assumptions about it.

    Args:
        source: The file of Keras.
        output: Folder of the bundle.
        imported_from: Name of the file.
        keras_version: Version of Keras that saved it.
        sha256: Checksum of the file.
        notes: Facts about the network and assumptions, a sentence each.
        classes: Names of the classes in the order of their ids.
        bands: Number of bands that it takes.
        parameters: Number of parameters.
        input_shape: Height and width that the network was made for, None where they are free.
        activation: Function that makes probabilities of its logits.
        chip_size: Side of a chip in pixels.
        size_divisor: Number that the sides of a chip must be multiples of.
        halo: Pixels around a chip's middle that are predicted and thrown away.
        mean: Mean of each band that pixels are scaled with.
        std: Standard deviation of each band that pixels are scaled with.
        threshold: Probability from which a pixel is of the class, for a network with one result.
        resolution_m: Side in metres of a pixel of the training images.
        difference: Largest difference between the probabilities of the ONNX graph and those of the network.
    """

    source: str
    output: str
    imported_from: str
    keras_version: str
    sha256: str
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    bands: int
    parameters: int
    input_shape: tuple[int | None, int | None]
    activation: str
    chip_size: int
    size_divisor: int
    halo: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    threshold: float | None
    resolution_m: float | None
    difference: float


def import_keras(
    source: str | Path,
    output: str | Path,
    *,
    names: Sequence[str] = (),
    normalize: Literal["unit", "imagenet", "none"] | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    threshold: float | None = None,
    resolution_m: float | None = None,
    scenes: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> ImportKerasResult:
    """Turn a network that Keras saved into a bundle that gives the same probabilities.

    The file is a whole model: an .h5 of Keras 2 or 3 or a .keras file. Keras is not needed and nothing in the file is
    executed: layers that hold Python code are refused. The bundle is written whole or not at all. Needs the extra
    train.

    Args:
        source: File of Keras.
        output: Folder of the new bundle.
        names: Classes in the order of the network's results; for a network with one result the class of interest.
            Foreground, or class 0, class 1, ... by default.
        normalize: Scaling of pixels in training: unit divides by 255, imagenet takes ImageNet's mean and standard
            deviation, none leaves them as they are. By default none for a network that scales them itself, else unit.
        mean: Mean of each band in training, in pixel values; goes with --std.
        std: Standard deviation of each band in training, in pixel values.
        threshold: Probability from which a pixel is of the class; 0.5 by default.
        resolution_m: Side in metres of a pixel of the training images.
        scenes: Images like those to be mapped, on which the halo is measured; without any it is a quarter of a chip.
        overwrite: Replace the output if it is a model.

    Returns:
        The network and the assumptions about it.

    Raises:
        DataError: The file or the network cannot be imported; the message names the layer.
        UsageError: Options make no sense, or the output exists.
    """
    source = Path(source)
    output = check_model_folder(source, output, overwrite=overwrite)
    model = read_keras_model(source)
    legend = _legend(names, model.classes)
    if model.activation == "sigmoid":
        threshold = 0.5 if threshold is None else threshold
        if not 0 < threshold < 1:
            raise UsageError(f"A threshold lies between 0 and 1; got {threshold}.")
    elif threshold is not None:
        raise UsageError(f"A threshold decides between two classes; this network has {model.classes}. Leave it out.")
    scaling = pixel_scaling(model, normalize, mean, std)
    if resolution_m is not None and not 0 < resolution_m < float("inf"):
        raise UsageError(f"A resolution in metres is above 0; got {resolution_m}.")
    notes = (*model.notes, scaling.note)
    for note in notes:
        logger.info("%s", note)
    network = network_from_keras(model)
    digest = sha256_of(source)
    divisor = network.size_divisor
    # The side of the images in training, where the file tells it.
    side = max((side for side in model.input_shape if side is not None), default=_USUAL_SIDE)
    chip_size = round_up(max(side, 2 * divisor), divisor)
    bundle = ModelBundle(
        legend=legend,
        model={
            "architecture": "KerasNetwork",
            "layers": list(model.layers),
            "in_channels": model.in_channels,
            "classes": model.classes,
        },
        bands=tuple(range(1, model.in_channels + 1)),
        dtype="uint8",
        mean=scaling.mean,
        std=scaling.std,
        chip_size=chip_size,
        size_divisor=divisor,
        halo=even_halo(chip_size // 4, divisor),
        activation=model.activation,
        threshold=threshold,
        resolution_m=resolution_m,
        data={
            "imported_from": source.name,
            "keras_version": model.version,
            "sha256": digest,
            "notes": list(notes),
        },
        versions={
            "overland": __version__,
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in ("torch", "numpy", "onnx", "h5py")},
        },
    )
    graph = graph_from_model(network, in_channels=model.in_channels, size_divisor=divisor)
    with TemporaryDirectory(prefix="overland-import-") as folder:
        # It has to be on disk to be run.
        trial = save_bundle(bundle, Path(folder) / "model", weights=model.weights, graph=graph, card="")
        difference = _engine_difference(trial)
        if scenes:
            measured = measured_bundle(trial, scenes, trial.bands)
        else:
            measured = replace(trial, bytes_per_pixel=measure_memory_per_pixel(trial))
    output.parent.mkdir(parents=True, exist_ok=True)
    measured = replace(measured, path=None)
    bundle = save_bundle(measured, output, weights=model.weights, graph=graph, card=model_card(measured))
    return ImportKerasResult(
        source=str(source),
        output=str(output),
        imported_from=source.name,
        keras_version=model.version,
        sha256=digest,
        notes=notes,
        classes=tuple(legend.names),
        bands=model.in_channels,
        parameters=sum(array.size for array in model.weights.values() if array.dtype == np.float32),
        input_shape=model.input_shape,
        activation=bundle.activation,
        chip_size=bundle.chip_size,
        size_divisor=bundle.size_divisor,
        halo=bundle.halo,
        mean=tuple(bundle.mean),
        std=tuple(bundle.std),
        threshold=bundle.threshold,
        resolution_m=bundle.resolution_m,
        difference=difference,
    )


def _engine_difference(bundle: ModelBundle) -> float:
    """Return the largest difference between the probabilities of the graph and of the network, on a chip of noise."""
    rng = np.random.default_rng(0)
    side = round_up(64, bundle.size_divisor)
    chip = rng.normal(0, 1, (1, bundle.in_channels, side, side)).astype(np.float32)
    engines = [open_engine(bundle, name, precision="fp32") for name in ("torch", "onnx")]
    ours, theirs = (probabilities_from_logits(bundle, engine.run(chip)) for engine in engines)
    difference = float(np.abs(ours - theirs).max())
    # Written so that a NaN is too large as well.
    if not difference <= _LARGEST_DIFFERENCE:
        raise DataError(
            f"The graph of the network gives probabilities that differ by {difference:.2g} from the network's own; "
            f"more than {_LARGEST_DIFFERENCE} is not written. Are the weights of the file whole?"
        )
    return difference


def _legend(names: Sequence[str], classes: int) -> Legend:
    expected = 2 if classes == 1 else classes
    if classes == 1 and len(names) < 2:
        names = ["background", *(names or ["foreground"])]
    names = names or [f"class {number}" for number in range(classes)]
    if len(names) != expected:
        wanted = "one name, that of the class of interest" if classes == 1 else f"{classes} names"
        raise UsageError(
            f"The network tells {expected} classes apart, but {len(names)} names were given; give {wanted}."
        )
    legend = legend_from_names(names)
    return replace(legend, background=0) if classes == 1 else legend

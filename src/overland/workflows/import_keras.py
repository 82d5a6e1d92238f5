"""Import a network that Keras saved: from an .h5 or .keras file to a model bundle."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from overland.bundle import ModelBundle, probabilities_from_logits, save_bundle
from overland.errors import DataError, UsageError
from overland.importers.keras import KerasModel, network_from_keras, read_keras_model
from overland.importers.scaling import PixelScaling, pixel_scaling
from overland.inference import open_engine
from overland.inference.measure import measured_bundle
from overland.inference.memory import measure_memory_per_pixel
from overland.inference.plan import even_halo, round_up
from overland.legend import Legend, legend_from_names
from overland.models import graph_from_model
from overland.output import check_model_folder
from overland.reporting.card import model_card
from overland.version import __version__

__all__ = ["import_keras"]

logger = logging.getLogger("overland")

_TOLD = ("activation", "chip_size", "size_divisor", "halo", "mean", "std", "threshold", "resolution_m")
_USUAL_SIDE = 256
_LARGEST_DIFFERENCE = 1e-4


def import_keras(
    source: str | Path,
    output: str | Path,
    *,
    names: Sequence[str] = (),
    normalize: str | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    threshold: float | None = None,
    resolution_m: float | None = None,
    scenes: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Turn a whole-model .h5 of Keras 2 or 3, or a .keras file, into a model bundle with the same scores.

    `names` are the classes in the order of the network's results; one name is that of the class of interest of a
    network with one result. What the file does not tell has to be told: how pixels were scaled in training
    (`normalize` is one of `SCALINGS`; or `mean` and `std` for each band, in the scenes' units), the `threshold` of a
    network with one result, the resolution of the training imagery. The halo is measured on `scenes`; without any it
    is a quarter of a chip. Keras is not needed, and nothing in the file is executed.

    The bundle is there whole or not at all. Returns what the network is and what was assumed. Raises `DataError` for a
    file or network that cannot be imported, `UsageError` for options that make no sense or an output that exists.
    """
    output = check_model_folder(source, output, overwrite=overwrite)
    model = read_keras_model(source)
    legend = _legend(names, model.classes)
    threshold = _checked_threshold(threshold, model)
    scaling = pixel_scaling(model, normalize, mean, std)
    for note in (*model.notes, scaling.note):
        logger.info("%s", note)
    network = network_from_keras(model)
    bundle = replace(
        _bundle_of(model, legend, scaling, network.size_divisor),
        threshold=threshold,
        resolution_m=resolution_m,
        data=_data(Path(source), model, scaling),
    )
    graph = graph_from_model(network, in_channels=model.in_channels, size_divisor=network.size_divisor)
    bundle, difference = _save(bundle, output, model, graph, scenes)
    return {
        "source": str(source),
        "output": str(output),
        **bundle.data,
        "classes": list(legend.names),
        "bands": model.in_channels,
        "parameters": sum(array.size for array in model.weights.values() if array.dtype == np.float32),
        "input_shape": list(model.input_shape),
        **{name: getattr(bundle, name) for name in _TOLD},
        "difference": difference,
    }


def _bundle_of(model: KerasModel, legend: Legend, scaling: PixelScaling, divisor: int) -> ModelBundle:
    chip_size, halo = _chip(model, divisor)
    return ModelBundle(
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
        halo=halo,
        activation=model.activation,
        versions=_versions(),
    )


def _data(source: Path, model: KerasModel, scaling: PixelScaling) -> dict[str, Any]:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    notes = [*model.notes, scaling.note]
    return {"imported_from": source.name, "keras_version": model.version, "sha256": digest, "notes": notes}


def _save(
    bundle: ModelBundle, output: Path, model: KerasModel, graph: bytes, scenes: Sequence[str | Path]
) -> tuple[ModelBundle, float]:
    """Save the bundle, after it was run: its graph is compared with its network, its memory and halo are measured."""
    with TemporaryDirectory(prefix="overland-import-") as folder:
        trial = save_bundle(bundle, Path(folder) / "model", weights=model.weights, graph=graph, card="")
        difference = _engine_difference(trial)
        if scenes:
            measured = measured_bundle(trial, scenes, trial.bands)
        else:
            measured = replace(trial, bytes_per_pixel=measure_memory_per_pixel(trial))
    output.parent.mkdir(parents=True, exist_ok=True)
    measured = replace(measured, path=None)
    return save_bundle(measured, output, weights=model.weights, graph=graph, card=model_card(measured)), difference


def _engine_difference(bundle: ModelBundle) -> float:
    """The largest difference between the scores of the graph and those of the network, on a chip of noise."""
    rng = np.random.default_rng(0)
    side = round_up(64, bundle.size_divisor)
    chip = rng.normal(0, 1, (1, bundle.in_channels, side, side)).astype(np.float32)
    engines = [open_engine(bundle, name, precision="fp32") for name in ("torch", "onnx")]
    ours, theirs = (probabilities_from_logits(bundle, engine.run(chip)) for engine in engines)
    difference = float(np.abs(ours - theirs).max())
    # Written so that a NaN is too large as well.
    if not difference <= _LARGEST_DIFFERENCE:
        raise DataError(
            f"The graph of the network gives scores that differ by {difference:.2g} from the network's own; more than "
            f"{_LARGEST_DIFFERENCE} is not written. Are the weights of the file whole?"
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


def _checked_threshold(threshold: float | None, model: KerasModel) -> float | None:
    if model.activation != "sigmoid":
        if threshold is not None:
            raise UsageError(
                f"A threshold decides between two classes; this network has {model.classes}. Leave it out."
            )
        return None
    if threshold is None:
        return 0.5
    if not 0 < threshold < 1:
        raise UsageError(f"A threshold lies between 0 and 1; got {threshold}.")
    return threshold


def _chip(model: KerasModel, divisor: int) -> tuple[int, int]:
    """The side of a chip, that of the images in training where the file tells it, and the halo."""
    side = max((side for side in model.input_shape if side is not None), default=_USUAL_SIDE)
    chip_size = round_up(max(side, 2 * divisor), divisor)
    return chip_size, even_halo(chip_size // 4, divisor)


def _versions() -> dict[str, str]:
    found = {package: importlib.metadata.version(package) for package in ("torch", "numpy", "onnx", "h5py")}
    return {"overland": __version__, "python": platform.python_version(), **found}

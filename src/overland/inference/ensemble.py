"""Pixel classifiers: from pixels as they are stored to probabilities, by one model, by several, or averaged over flips.

`ModelSet` is the models of a prediction, `Ensemble` the same with the engines that run them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, load_bundle
from overland.errors import UsageError
from overland.inference.engines import Engine, open_engine
from overland.inference.memory import default_window
from overland.inference.probabilities import (
    Pixels,
    Probabilities,
    Valid,
    network_input,
    probabilities_from_logits,
)
from overland.version import __version__

__all__ = [
    "TTA_MODES",
    "Ensemble",
    "ModelClassifier",
    "ModelSet",
    "PixelClassifier",
    "ensemble_classifier",
    "load_models",
    "model_classifier",
    "open_ensemble",
    "tta_classifier",
]

_View = tuple[bool, bool, bool]

# Each view of a chip: transposed or not, turned upside down, mirrored.
_FLIPS: tuple[_View, ...] = ((False, False, False), (False, False, True), (False, True, False), (False, True, True))
TTA_MODES: dict[str, tuple[_View, ...]] = {
    "flips": _FLIPS,
    "d4": (*_FLIPS, *((True, upside_down, mirrored) for _, upside_down, mirrored in _FLIPS)),
}


class PixelClassifier(Protocol):
    """Anything that gives the probabilities of a chip. It is called by several threads at once."""

    @property
    def num_outputs(self) -> int:
        """Number of probabilities for each pixel."""

    @property
    def workers(self) -> int:
        """Number of calls that should go on at once, from as many threads, to use the whole machine."""

    def classify(self, pixels: Pixels, valid: Valid) -> Probabilities:
        """Give the probabilities of a chip.

        Args:
            pixels: Pixels (bands, height, width) as stored in the scene.
            valid: Where they hold data (height, width).

        Returns:
            Probabilities (outputs, height, width); the array is the caller's, who changes it in place.
        """


@dataclass(frozen=True)
class ModelClassifier:
    """A bundle's own scaling and activation around the engine that runs its network."""

    bundle: ModelBundle
    engine: Engine

    @property
    def num_outputs(self) -> int:
        """Number of probabilities for each pixel."""
        return self.bundle.num_outputs

    @property
    def workers(self) -> int:
        """Number of calls that should go on at once, as the engine wishes."""
        return self.engine.workers

    def classify(self, pixels: Pixels, valid: Valid) -> Probabilities:
        """Scale a chip, run the network, and turn its logits into probabilities.

        Args:
            pixels: Pixels (bands, height, width) as stored in the scene.
            valid: Where they hold data (height, width).

        Returns:
            Probabilities (outputs, height, width).
        """
        chip = network_input(self.bundle, pixels, valid)
        probabilities: Probabilities = probabilities_from_logits(self.bundle, self.engine.run(chip[None]))[0]
        return probabilities


@dataclass(frozen=True)
class _MeanClassifier:
    """The mean probabilities of several models."""

    classifiers: tuple[PixelClassifier, ...]

    @property
    def num_outputs(self) -> int:
        return self.classifiers[0].num_outputs

    @property
    def workers(self) -> int:
        return min(classifier.workers for classifier in self.classifiers)

    def classify(self, pixels: Pixels, valid: Valid) -> Probabilities:
        total = self.classifiers[0].classify(pixels, valid)
        for classifier in self.classifiers[1:]:
            total += classifier.classify(pixels, valid)
        total /= len(self.classifiers)
        return total


@dataclass(frozen=True)
class _TtaClassifier:
    """The mean probabilities over views of a chip."""

    classifier: PixelClassifier
    views: tuple[_View, ...]

    @property
    def num_outputs(self) -> int:
        return self.classifier.num_outputs

    @property
    def workers(self) -> int:
        return self.classifier.workers

    def classify(self, pixels: Pixels, valid: Valid) -> Probabilities:
        total = np.zeros((self.num_outputs, *valid.shape), np.float32)
        for view in self.views:
            # Undone in one pass: the sum is seen as the view sees the chip.
            seen = _seen(total, view)
            seen += self.classifier.classify(_seen(pixels, view), _seen(valid, view))
        total /= len(self.views)
        return total


def model_classifier(bundle: ModelBundle, engine: Engine) -> ModelClassifier:
    """Make the classifier of one model.

    Args:
        bundle: The model.
        engine: An engine that `open_engine` gave for it.

    Returns:
        The classifier.
    """
    return ModelClassifier(bundle, engine)


def ensemble_classifier(classifiers: Sequence[ModelClassifier]) -> PixelClassifier:
    """Average the probabilities of several models; each scales the pixels with its own mean and deviation.

    Args:
        classifiers: One or more models of the same classes, activation, bands and pixel type.

    Returns:
        The first classifier where there is one alone, else the mean of all.

    Raises:
        UsageError: There is none, or they differ.
    """
    if not classifiers:
        raise UsageError("There is no model to average; give at least one.")
    _check_alike([classifier.bundle for classifier in classifiers])
    return classifiers[0] if len(classifiers) == 1 else _MeanClassifier(tuple(classifiers))


def tta_classifier(classifier: PixelClassifier, mode: Literal["flips", "d4"]) -> PixelClassifier:
    """Average the probabilities over views of a chip (test-time augmentation).

    Args:
        classifier: The classifier to ask for each view.
        mode: "flips" mirrors the chip (4 runs), "d4" turns it by 90 degrees as well (8 runs).

    Returns:
        The averaging classifier.

    Raises:
        UsageError: There is no such mode.
    """
    if mode not in TTA_MODES:
        raise UsageError(f"There is no test-time augmentation {mode!r}; choose one of {', '.join(TTA_MODES)}.")
    return _TtaClassifier(classifier, TTA_MODES[mode])


def _seen(array: npt.NDArray[Any], view: _View) -> npt.NDArray[Any]:
    is_transposed, upside_down, mirrored = view
    if is_transposed:
        array = array.swapaxes(-1, -2)
    return array[..., :: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _check_alike(bundles: Sequence[ModelBundle]) -> None:
    first = bundles[0]
    for other in bundles[1:]:
        for noun, ours, theirs in (
            ("classes", first.legend.names, other.legend.names),
            ("an activation", first.activation, other.activation),
            ("bands", first.bands, other.bands),
            ("a pixel type", first.dtype, other.dtype),
        ):
            if ours != theirs:
                raise UsageError(
                    f"Models are averaged only when they answer the same question: {first.path} has {noun} "
                    f"{_listed(ours)}, {other.path} has {_listed(theirs)}. Predict with them apart."
                )


def _listed(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


@dataclass(frozen=True)
class ModelSet:
    """The models of a prediction, whose probabilities are averaged; the first one's legend and threshold count."""

    bundles: tuple[ModelBundle, ...]

    @property
    def bundle(self) -> ModelBundle:
        """The first model."""
        return self.bundles[0]

    @property
    def halo(self) -> int:
        """The widest halo that a model needs, in pixels."""
        return max(bundle.halo for bundle in self.bundles)

    @property
    def window(self) -> int:
        """Side of the largest window that all models are meant for, in pixels."""
        return min(default_window(bundle, halo=self.halo, divisor=self.divisor) for bundle in self.bundles)

    @property
    def fixed_size(self) -> int:
        """Side of the square that a model resizes the whole scene to, as published systems do; 0 where none does."""
        return max(bundle.fixed_size for bundle in self.bundles)

    @property
    def divisor(self) -> int:
        """The number that every side of a chip is a multiple of."""
        return math.lcm(*(bundle.size_divisor for bundle in self.bundles))

    @property
    def num_outputs(self) -> int:
        """Number of probabilities for each pixel."""
        return self.bundle.num_outputs

    @property
    def bytes_per_pixel(self) -> float | None:
        """Working memory of the hungriest model for a pixel of a chip; None where one was not measured."""
        measured = [bundle.bytes_per_pixel for bundle in self.bundles]
        return None if None in measured else max(value for value in measured if value is not None)


def load_models(model: str | Path | ModelBundle, more: Sequence[str | Path] = ()) -> ModelSet:
    """Load the models of a prediction.

    Args:
        model: A bundle, its folder, or the name of a pretrained model.
        more: Folders or names of models whose probabilities are averaged with its own.

    Returns:
        The models.

    Raises:
        DataError: A folder holds no model, or a damaged one.
        UsageError: The models differ in classes, activation, bands or pixel type.
    """
    first = model if isinstance(model, ModelBundle) else load_bundle(model)
    bundles = (first, *(load_bundle(path) for path in more))
    _check_alike(bundles)
    return ModelSet(bundles)


@dataclass(frozen=True)
class Ensemble:
    """The models of a prediction with the engines that run them."""

    models: ModelSet
    engines: tuple[Engine, ...]
    classifier: PixelClassifier

    @property
    def bundle(self) -> ModelBundle:
        """The first model."""
        return self.models.bundle

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything that the probabilities depend on beside the scene and the options, as plain values."""
        return {
            "overland": __version__,
            "model": [bundle.digest for bundle in self.models.bundles],
            "engine": [engine.name for engine in self.engines],
            "precision": [engine.precision for engine in self.engines],
            "device": [engine.device for engine in self.engines],
        }


def open_ensemble(
    models: ModelSet,
    engine: str | Engine = "auto",
    precision: str = "auto",
    tta: Literal["flips", "d4"] | None = None,
    *,
    max_workers: int | None = None,
) -> Ensemble:
    """Make the models of a prediction ready to run.

    Args:
        models: The models.
        engine: Name of the engine, or one that is open already and runs the first model.
        precision: Kind of numbers that an engine opened here computes with.
        tta: Test-time augmentation, see `tta_classifier`.
        max_workers: Most windows that an engine opened here runs at once on a processor, whose memory they share.

    Returns:
        The models with their engines.

    Raises:
        UsageError: An engine or a precision cannot be had here.
        MissingExtraError: The engine's extra is not installed.
        DataError: A network cannot be loaded, or does not do what its bundle says.
    """
    opened: list[Engine] = [] if isinstance(engine, str) else [engine]
    for bundle in models.bundles[len(opened) :]:
        # All run on the engine of the first, whatever "auto" would take for another.
        name = opened[0].name if opened else str(engine)
        opened.append(open_engine(bundle, name, precision=precision, max_workers=max_workers))
    pairs = zip(models.bundles, opened, strict=True)
    classifier = ensemble_classifier([model_classifier(*pair) for pair in pairs])
    return Ensemble(models, tuple(opened), classifier if tta is None else tta_classifier(classifier, tta))

"""Scorers: from pixels as they are stored to probabilities, by one model, by several, or averaged over flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from overland.bundle import ModelBundle, probabilities_from_logits, scale_pixels
from overland.errors import UsageError
from overland.inference.engines import Engine

__all__ = [
    "TTA_MODES",
    "ModelClassifier",
    "PixelClassifier",
    "ensemble_classifier",
    "model_classifier",
    "network_input",
    "tta_classifier",
]

Pixels = npt.NDArray[Any]
Valid = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
_View = tuple[bool, bool, bool]

# Each view of a chip: transposed or not, turned upside down, mirrored.
_FLIPS: tuple[_View, ...] = ((False, False, False), (False, False, True), (False, True, False), (False, True, True))
TTA_MODES: dict[str, tuple[_View, ...]] = {
    "flips": _FLIPS,
    "d4": (*_FLIPS, *((True, upside_down, mirrored) for _, upside_down, mirrored in _FLIPS)),
}


class PixelClassifier(Protocol):
    """What gives the probabilities of a chip. Called by several threads at once."""

    @property
    def num_scores(self) -> int:
        """Number of probabilities for each pixel."""

    @property
    def streams(self) -> int:
        """How many calls should go on at once to use the whole machine."""

    def score(self, pixels: Pixels, valid: Valid) -> Scores:
        """Probabilities (scores, height, width) of pixels (bands, height, width) that hold data where `valid` says.

        The array is the caller's, who changes it in place.
        """


def network_input(bundle: ModelBundle, pixels: Pixels, valid: Valid) -> Scores:
    """Scale pixels (bands, height, width) to what the network takes.

    Pixels without data enter as the mean of their band, so that neither -9999 nor NaN reaches the network.
    """
    chip = scale_pixels(bundle, pixels)
    if not valid.all():
        np.copyto(chip, 0, where=~valid)
    return chip


@dataclass(frozen=True)
class ModelClassifier:
    """A bundle's own scaling and activation around the engine that runs its network."""

    bundle: ModelBundle
    engine: Engine

    @property
    def num_scores(self) -> int:
        """Number of probabilities for each pixel."""
        return self.bundle.num_scores

    @property
    def streams(self) -> int:
        """How many calls should go on at once: what the engine wants."""
        return self.engine.streams

    def score(self, pixels: Pixels, valid: Valid) -> Scores:
        """Scale, run the network, activate."""
        chip = network_input(self.bundle, pixels, valid)
        scores: Scores = probabilities_from_logits(self.bundle, self.engine.run(chip[None]))[0]
        return scores


@dataclass(frozen=True)
class _MeanScorer:
    scorers: tuple[PixelClassifier, ...]

    @property
    def num_scores(self) -> int:
        return self.scorers[0].num_scores

    @property
    def streams(self) -> int:
        return min(scorer.streams for scorer in self.scorers)

    def score(self, pixels: Pixels, valid: Valid) -> Scores:
        total = self.scorers[0].score(pixels, valid)
        for scorer in self.scorers[1:]:
            total += scorer.score(pixels, valid)
        total /= len(self.scorers)
        return total


@dataclass(frozen=True)
class _TtaScorer:
    scorer: PixelClassifier
    views: tuple[_View, ...]

    @property
    def num_scores(self) -> int:
        return self.scorer.num_scores

    @property
    def streams(self) -> int:
        return self.scorer.streams

    def score(self, pixels: Pixels, valid: Valid) -> Scores:
        total = np.zeros((self.num_scores, *valid.shape), np.float32)
        for view in self.views:
            # Undone in one pass: the sum is seen as the view sees the chip.
            seen = _seen(total, view)
            seen += self.scorer.score(_seen(pixels, view), _seen(valid, view))
        total /= len(self.views)
        return total


def model_classifier(bundle: ModelBundle, engine: Engine) -> ModelClassifier:
    """The probabilities of one model."""
    return ModelClassifier(bundle, engine)


def ensemble_classifier(scorers: Sequence[ModelClassifier]) -> PixelClassifier:
    """The mean probabilities of several models; each scales the pixels with its own mean and std.

    Raises `UsageError` when their classes, activations, bands or pixel types differ.
    """
    if not scorers:
        raise UsageError("There is no model to average; give at least one.")
    for scorer in scorers[1:]:
        _check_alike(scorers[0].bundle, scorer.bundle)
    return scorers[0] if len(scorers) == 1 else _MeanScorer(tuple(scorers))


def tta_classifier(scorer: PixelClassifier, mode: Literal["flips", "d4"]) -> PixelClassifier:
    """The mean probabilities over views of a chip: "flips" mirrors it (4 runs), "d4" turns it as well (8 runs).

    Raises `UsageError` for another mode.
    """
    if mode not in TTA_MODES:
        raise UsageError(f"There is no test-time augmentation {mode!r}; choose one of {', '.join(TTA_MODES)}.")
    return _TtaScorer(scorer, TTA_MODES[mode])


def _seen(array: npt.NDArray[Any], view: _View) -> npt.NDArray[Any]:
    is_transposed, upside_down, mirrored = view
    if is_transposed:
        array = array.swapaxes(-1, -2)
    return array[..., :: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _check_alike(first: ModelBundle, other: ModelBundle) -> None:
    for what, ours, theirs in (
        ("classes", first.legend.names, other.legend.names),
        ("an activation", first.activation, other.activation),
        ("bands", first.bands, other.bands),
        ("a pixel type", first.dtype, other.dtype),
    ):
        if ours != theirs:
            raise UsageError(
                f"Models are averaged only when they answer the same question: {first.path} has {what} {_said(ours)}, "
                f"{other.path} has {_said(theirs)}. Predict with them apart."
            )


def _said(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))

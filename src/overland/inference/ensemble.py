"""The models of a prediction, one or several, with the engines that run them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from overland.bundle import ModelBundle, load_bundle
from overland.inference import (
    Engine,
    PixelClassifier,
    ensemble_classifier,
    model_classifier,
    open_engine,
    tta_classifier,
)
from overland.version import __version__

__all__ = ["Ensemble", "open_ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Models whose probabilities are averaged; the first one's legend and threshold count."""

    bundles: tuple[ModelBundle, ...]
    engines: tuple[Engine, ...]
    scorer: PixelClassifier

    @property
    def bundle(self) -> ModelBundle:
        """The first model."""
        return self.bundles[0]

    @property
    def halo(self) -> int:
        """The widest halo that a model needs."""
        return max(bundle.halo for bundle in self.bundles)

    @property
    def squash(self) -> int:
        """Side of the square that a model resizes the whole scene to, as published systems do; 0 where none does."""
        return max(bundle.squash for bundle in self.bundles)

    @property
    def divisor(self) -> int:
        """What every side of a chip is a multiple of."""
        return math.lcm(*(bundle.size_divisor for bundle in self.bundles))

    @property
    def bytes_per_pixel(self) -> float | None:
        """Working memory of the hungriest model for a pixel of a chip; None where one was not measured."""
        measured = [bundle.bytes_per_pixel for bundle in self.bundles]
        return None if None in measured else max(value for value in measured if value is not None)

    @property
    def facts(self) -> dict[str, Any]:
        """What runs the models, in plain values."""
        engine = self.engines[0]
        return {
            "engine": engine.name,
            "precision": engine.precision,
            "device": engine.device,
            "streams": self.scorer.streams,
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the probabilities depend on beside the scene."""
        return {
            "overland": __version__,
            "model": [bundle.digest for bundle in self.bundles],
            "engine": [engine.name for engine in self.engines],
            "precision": [engine.precision for engine in self.engines],
            "device": [engine.device for engine in self.engines],
        }


def open_ensemble(
    model: str | Path | ModelBundle, more: Sequence[str | Path], engine: str | Engine, precision: str, tta: str | None
) -> Ensemble:
    """Load the models and make them ready; an engine that is open already runs the first.

    Errors as `load_bundle`, `open_engine` and `ensemble_classifier` raise them.
    """
    first = model if isinstance(model, ModelBundle) else load_bundle(model)
    bundles = (first, *(load_bundle(path) for path in more))
    opened = open_engine(first, engine, precision=precision) if isinstance(engine, str) else engine
    engines = (opened, *(open_engine(bundle, opened.name, precision=precision) for bundle in bundles[1:]))
    scorer = ensemble_classifier([model_classifier(*pair) for pair in zip(bundles, engines, strict=True)])
    if tta is not None:
        scorer = tta_classifier(scorer, cast(Literal["flips", "d4"], tta))
    return Ensemble(bundles, engines, scorer)

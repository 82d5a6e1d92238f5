"""A model as a value: load it once, then predict and evaluate with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overland.bundle import ModelBundle, load_bundle
from overland.workflows.evaluate import evaluate
from overland.workflows.predict import predict

__all__ = ["Model", "load_model"]


@dataclass(frozen=True)
class Model:
    """A trained model that is on disk; `bundle` tells all that is known of it."""

    bundle: ModelBundle

    def predict(self, inputs: str | Path | Sequence[str | Path], output: str | Path, **options: Any) -> dict[str, Any]:
        """Predict scenes; options and result as `overland.predict` has them."""
        return predict(self.bundle, inputs, output, **options)

    def evaluate(self, data: str | Path, **options: Any) -> dict[str, Any]:
        """Evaluate on a dataset; options and result as `overland.evaluate` has them."""
        return evaluate(self.bundle.graph_path.parent, data, **options)


def load_model(path: str | Path) -> Model:
    """Load a model bundle. Raises `DataError` when it is none, is damaged or was made by a newer Overland."""
    return Model(load_bundle(path))

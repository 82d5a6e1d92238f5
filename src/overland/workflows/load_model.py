"""A model as a value: load it once, then predict and evaluate with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from overland.bundle import ModelBundle, load_bundle
from overland.inference.engines import EngineName
from overland.inference.options import PredictOptions
from overland.workflows.evaluate import EvaluateResult, evaluate
from overland.workflows.predict import OnProgress, PredictResult, predict_with

__all__ = ["Model", "load_model"]


@dataclass(frozen=True)
class Model:
    """A trained model that is on disk.

    Attributes:
        bundle: Everything that is known of it.
    """

    bundle: ModelBundle

    def predict(
        self,
        scenes: str | Path | Sequence[str | Path],
        output: str | Path,
        options: PredictOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> PredictResult:
        """Map scenes with this model.

        Args:
            scenes: Rasters or images of any size, or URLs of them.
            output: Class map, or a folder for several scenes.
            options: Options of the run; all defaults without it.
            on_progress: Called with the megapixels done and the total.

        Returns:
            The result of `overland.predict`.
        """
        return predict_with(self.bundle, scenes, output, options or PredictOptions(), on_progress=on_progress)

    def evaluate(
        self,
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
        """Evaluate this model on a dataset.

        Args:
            data: A dataset: its YAML file or its folder.
            split: The split whose images are evaluated.
            threshold: Smallest probability of class 1 in a two-class model; as tuned by default.
            engine: Program that runs the network.
            roads: Add scores of lines.
            boundary: Add boundary IoU in a band of so many pixels, or of "2%" of the diagonal.
            patches: Add scores of patches of so many pixels a side.
            output: Folder for scores, figures and pictures.
            overwrite: Replace the output if it exists.

        Returns:
            The result of `overland.evaluate`.
        """
        return evaluate(
            self.bundle,
            data,
            split=split,
            threshold=threshold,
            engine=engine,
            roads=roads,
            boundary=boundary,
            patches=patches,
            output=output,
            overwrite=overwrite,
        )


def load_model(path: str | Path) -> Model:
    """Load a model.

    Args:
        path: A bundle's folder, the folder of a run, or the name of a pretrained model.

    Returns:
        The model.

    Raises:
        DataError: It is no model, is damaged, or was made by another version.
    """
    return Model(load_bundle(path))

"""The example that the app opens with: a made scene and two very small models, mapped by a real run at start-up."""

from __future__ import annotations

import tempfile
from pathlib import Path

from overland.bundle import ModelBundle, load_bundle
from overland.web.app.results import Result
from overland.workflows.predict import predict

__all__ = ["EXAMPLE_MODELS", "EXAMPLE_NAME", "map_example"]

EXAMPLE_NAME = "Example"
_FOLDER = Path(__file__).parent.parent / "example"
EXAMPLE_MODELS = {"example: land cover": _FOLDER / "landcover", "example: roads": _FOLDER / "roads"}


def map_example(model: str, bundle: ModelBundle | None = None) -> tuple[Path, Result]:
    """Map the example's scene with one of `EXAMPLE_MODELS`; gives the folder of the files and the result."""
    bundle = bundle or load_bundle(EXAMPLE_MODELS[model])
    folder = Path(tempfile.mkdtemp(prefix="overland-example-"))
    mask, scores = folder / "mask.tif", folder / "scores.tif"
    values = predict(bundle, _FOLDER / "scene.tif", mask, scores=scores)
    return folder, Result(EXAMPLE_NAME, model, bundle, _FOLDER / "scene.tif", mask, scores, folder, values)

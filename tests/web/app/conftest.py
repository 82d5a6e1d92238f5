from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models_made import threshold_bundle
from scenes import utm_grid, write_image

pytest.importorskip("streamlit", reason="needs the extra web")

from overland.raster import Grid
from overland.web.app.results import MappedImage
from overland.workflows.predict import predict


def made_result(folder: Path, grid: Grid) -> MappedImage:
    """A result whose left half is dark, but for a bright road of 6 pixels across, and whose right half shades up."""
    image = np.full((3, grid.height, grid.width), 40, np.uint8)
    image[:, 30:36] = 220
    image[:, :, grid.width // 2 :] = np.linspace(100, 150, grid.width - grid.width // 2).astype(np.uint8)
    write_image(folder / "scene.tif", image, grid)
    bundle = threshold_bundle(folder / "model", bands=3)
    values = predict(
        bundle, folder / "scene.tif", folder / "mask.tif", probabilities=folder / "probabilities.tif"
    ).to_dict()
    made = folder / "session"
    made.mkdir()
    name = "../../A scene, of Mine!.tif"
    return MappedImage(
        name, "bright", bundle, folder / "scene.tif", folder / "mask.tif", folder / "probabilities.tif", made, values
    )


@pytest.fixture
def result(tmp_path: Path) -> MappedImage:
    return made_result(tmp_path, utm_grid(96, 128))

"""Files that are made of a finished map on demand, each by the workflow that the command line uses."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from overland.raster import open_scene, write_class_map
from overland.web.errors import RefusedError
from overland.workflows.areas import measure_areas
from overland.workflows.vectorize import vectorize

__all__ = ["PRODUCTS", "make_product"]

_LARGEST_PICTURE = 50_000_000


def _picture(folder: Path, path: Path) -> None:
    with open_scene(folder / "mask.tif") as scene:
        if scene.height * scene.width > _LARGEST_PICTURE:
            raise RefusedError(422, "Too large for PNG", "The map is too large for a PNG; take mask.tif.")
        pixels, _ = scene.read(bands=[1])
        legend, grid = scene.legend, scene.grid
    assert legend is not None, "a mask that predict wrote has a legend"
    write_class_map(path, pixels[0], grid, legend, overwrite=True)


def _vectors(kind: str) -> Callable[[Path, Path], None]:
    def make(folder: Path, path: Path) -> None:
        scores = folder / "scores.tif"
        vectorize(
            folder / "mask.tif", path, kind=kind, scores=scores if scores.exists() else None, overwrite=True
        )  # fmt: skip

    return make


def _areas(folder: Path, path: Path) -> None:
    values = measure_areas(folder / "mask.tif")
    path.write_text(json.dumps({key: values[key] for key in ("crs", "units", "classes")}), encoding="utf-8")


_MAKERS = {
    "mask.png": _picture,
    "areas.json": _areas,
    "polygons.geojson": _vectors("polygons"),
    "polygons.gpkg": _vectors("polygons"),
    "roads.geojson": _vectors("roads"),
    "roads.gpkg": _vectors("roads"),
}
PRODUCTS = tuple(_MAKERS)


def make_product(folder: Path, name: str) -> None:
    """Make one of `PRODUCTS` of the map in a folder, whole or not at all; one that is there stays as it is."""
    path = folder / name
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-") as making:
        part = Path(making) / name
        _MAKERS[name](folder, part)
        part.replace(path)

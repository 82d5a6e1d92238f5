"""Every recipe, briefly: two epochs of a few chips on its own dataset layout, and a map from the bundle that comes out.

    python runs/try_recipes.py DATA OUTPUT [--recipes road-unet road-psp ...]

DATA holds deepglobe-road/, deepglobe-landcover/, roads-massachusetts/ and camvid/ as published. Encoders start from
scratch, as their weights are not in DATA. Evidence that each recipe trains, exports and predicts; of nothing else.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from PIL import Image

import overland as ol
from overland.raster import open_scene
from overland.training.settings import recipe_names
from overland.workflows.list_recipes import ShowRecipeResult, show_recipe
from overland.workflows.prepare_channels import prepare_channels
from provenance import provenance, write_figures

_IMAGES = (".jpg", ".png", ".webp", ".tif")
_FILES = 14
_LEAST_SIDE = 512  # less of an image may show no road


def main() -> None:
    """Train and predict with each, and keep what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--recipes", nargs="+", default=recipe_names())
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    arguments.output.mkdir(parents=True, exist_ok=True)
    origin = provenance()
    figures = {}
    for recipe in arguments.recipes:
        figures[recipe] = _tried(recipe, arguments.data, arguments.output)
        print(recipe, figures[recipe], flush=True)
    write_figures(arguments.output / "figures.json", origin | figures)


def _tried(recipe: str, data: Path, output: Path) -> dict[str, Any]:
    described = show_recipe(recipe)
    dataset = _dataset_for(described, data, output)
    settings: dict[str, Any] = {"encoder_weights": "none"} if described.settings["encoder_weights"] else {}
    started = time.monotonic()
    run = ol.train(
        dataset, recipe=recipe, epochs=2, batch=2, project=str(output), name=recipe, exist_ok=True, **settings
    )
    mask = output / f"{recipe}.tif"
    image = next(path for path in sorted(dataset.rglob("*")) if _is_image(path))
    ol.predict(run.model, image, mask, overwrite=True)
    with open_scene(mask) as scene:
        size = f"{scene.height} x {scene.width}"
    return {"layout": dataset.name, "map": size, "seconds": round(time.monotonic() - started, 1)}


def _dataset_for(described: ShowRecipeResult, data: Path, output: Path) -> Path:
    """Make a few images of the layout that the system was published with, cut to little more than one chip."""
    side = max(described.settings["imgsz"], _LEAST_SIDE)
    name = {"street scenes": "camvid", "land cover": "deepglobe-landcover"}.get(described.task, "deepglobe-road")
    name = "roads-massachusetts" if "skeyenet" in described.name else name
    small = output / f"{name}-{side}"
    if not small.exists():
        _copy_cut(data / name, small, side)
    if described.name.removesuffix("-published") not in ("road-fcn", "road-psp", "road-deeplabv3"):
        return small
    channels = output / f"channels-{side}"
    if not channels.exists():
        prepare_channels(small, channels)
    return channels


def _copy_cut(source: Path, target: Path, side: int) -> None:
    """Copy a dataset: of each folder the middle of the first images; tables as they are."""
    for folder in [source, *(path for path in sorted(source.rglob("*")) if path.is_dir())]:
        copy = target / folder.relative_to(source)
        copy.mkdir(parents=True)
        for path in [path for path in sorted(folder.iterdir()) if path.is_file()][:_FILES]:
            if path.suffix in _IMAGES:
                _cut_middle(path, copy / path.name, side)
            elif path.suffix != ".txt":
                shutil.copy(path, copy)


def _cut_middle(path: Path, target: Path, side: int) -> None:
    with Image.open(path) as image:
        left, top = max(0, (image.width - side) // 2), max(0, (image.height - side) // 2)
        image.crop((left, top, min(left + side, image.width), min(top + side, image.height))).save(target, quality=95)


def _is_image(path: Path) -> bool:
    return path.suffix in _IMAGES and "mask" not in str(path) and "annot" not in str(path)


if __name__ == "__main__":
    main()

"""The example of the web app: two very small models and a scene, all made, into src/overland/web/example.

    python runs/example_model.py [--folder /tmp/example] [--epochs 30]

Trains a network of five classes and one of roads on the landscapes of `overland.synthetic`, and writes the
bundles `landcover` and `roads` and the scene `scene.tif` (JPEG in GeoTIFF), which neither has seen. Ten minutes on two
cores. The scores in the bundles say that the code runs, nothing about real imagery.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import rasterio.shutil
import yaml

from overland.legend import Legend
from overland.raster import create_raster, write_class_map
from overland.synthetic import LANDSCAPE_LEGEND, synthetic_landscape
from overland.workflows.train import train

TARGET = Path(__file__).resolve().parent.parent / "src/overland/web/example"
SIDE, SPLITS = 512, {"train": 36, "val": 6}
SCENE_SEED, SCENE_SIDE, JPEG_QUALITY = 77, 1024, 72
NAME, LICENSE = "made landscapes", "Apache-2.0, as Overland"
ROAD = LANDSCAPE_LEGEND.id_from_name("road")
ROADS = Legend(("background", "road"), ((32, 32, 36), LANDSCAPE_LEGEND.colors[ROAD]), background=0)


def main() -> None:
    """Make the scenes, train both networks, copy what the app needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/overland-example"))
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    landcover, roads = make_datasets(arguments.folder)
    write_scene(arguments.folder)
    for name, data in (("landcover", landcover), ("roads", roads)):
        trained = train(
            data,
            "demo",
            synthetic=True,
            model={"architecture": "PlainUnet", "width": 8, "depth": 3, "stem_stride": 2},
            epochs=arguments.epochs,
            project=str(arguments.folder / "runs"),
            name=name,
            exist_ok=True,
        )
        print(name, trained.val.headline)
        copy_model(Path(trained.model), TARGET / name)


def copy_model(source: Path, target: Path) -> None:
    """Copy a bundle and say on its card what it was trained on; the checksums are of the weights alone."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    settings = json.loads((target / "overland.json").read_text(encoding="utf-8"))
    found = settings["data"]["name"]
    settings["data"] |= {"name": NAME, "license": LICENSE}
    settings["metrics"]["val"]["dataset"] = NAME
    del settings["training"]["project"]
    (target / "overland.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    card = target / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace(found, NAME), encoding="utf-8")


def make_datasets(folder: Path) -> tuple[Path, Path]:
    """Scenes with masks of five classes and of roads, as two datasets on the same images."""
    number = 0
    for split, count in SPLITS.items():
        for index in range(count):
            number += 1
            landscape = synthetic_landscape(number, SIDE, SIDE)
            name = f"{split}/scene-{index:02}.tif"
            with create_raster(folder / "images" / name, landscape.grid, count=3, overwrite=True) as writer:
                writer.write(landscape.image, landscape.grid.window)
            masks = {"landcover": (landscape.mask, LANDSCAPE_LEGEND)}
            masks["roads"] = ((landscape.mask == ROAD).astype(np.uint8), ROADS)
            for task, (mask, legend) in masks.items():
                write_class_map(folder / task / name, mask, landscape.grid, legend, overwrite=True)
    return (
        write_dataset(folder / "landcover.yaml", "landcover", LANDSCAPE_LEGEND),
        write_dataset(folder / "roads.yaml", "roads", ROADS),
    )


def write_dataset(path: Path, masks: str, legend: Legend) -> Path:
    """The YAML of a dataset whose images lie in images/ and its masks in the folder named."""
    settings = {"path": ".", **{split: f"images/{split}" for split in SPLITS}, "masks_dir": masks}
    settings["names"] = dict(enumerate(legend.names))
    settings["colors"] = {index: list(color) for index, color in enumerate(legend.colors)}
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def write_scene(folder: Path) -> None:
    """The scene that the app opens with, small enough to come with the package, and its truth beside the data."""
    landscape = synthetic_landscape(SCENE_SEED, SCENE_SIDE, SCENE_SIDE)
    with create_raster(folder / "scene.tif", landscape.grid, count=3, overwrite=True) as writer:
        writer.write(landscape.image, landscape.grid.window)
    write_class_map(folder / "scene_truth.tif", landscape.mask, landscape.grid, LANDSCAPE_LEGEND, overwrite=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    rasterio.shutil.copy(
        folder / "scene.tif", TARGET / "scene.tif", driver="COG", COMPRESS="JPEG", QUALITY=JPEG_QUALITY, BLOCKSIZE=512
    )


if __name__ == "__main__":
    main()
